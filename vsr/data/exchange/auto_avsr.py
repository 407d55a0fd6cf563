"""auto_avsr (also Llama-AVSR, SyncVSR, USR): label csv, mouth videos, text files.

``<root>/labels/<name>_<subset>_transcript_lengths_seg16s.csv`` has a line ``name,path,frames,token ids`` per clip;
``<root>/<name>/<path>`` is the mouth video; the text has ``_text_`` for ``_video_``. Sound is not written.
"""

from __future__ import annotations

from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import write_lines, write_text
from vsr.data.exchange.convert import Settings, frame_count, id_of, rows, stem_of, unique
from vsr.data.exchange.roi import write_roi
from vsr.data.manifest import Clip

SEGMENT = "seg16s"


def read(path: Path, settings: Settings) -> list[Clip]:
    """Clips of a label file, whose videos are their mouth crops.

    Text comes from the text files; without them, the tokenizer decodes the token ids. A fourth column that holds text
    (Llama-AVSR) is taken as it is.
    """
    root = path.absolute().parent.parent
    return unique([_clip(root, columns, f"{path}, line {n}", settings) for n, columns in rows(path, ",", 4)], path)


def _clip(root: Path, columns: list[str], where: str, settings: Settings) -> Clip:
    name, relative, frames, label = columns[0], columns[1], columns[2], ",".join(columns[3:])
    video = root / name / relative
    parts = Path(relative).with_suffix("").parts[1:]  # without <name>_video_seg16s
    text = _text(root / name / relative.replace("_video_", "_text_", 1), label, settings)
    speaker = parts[-2] if len(parts) > 1 else ""
    return Clip(id_of("/".join(parts)), str(video), text, speaker, frame_count(frames, where), str(video))


def _text(path: Path, label: str, settings: Settings) -> str:
    path = path.with_suffix(".txt")
    if path.is_file():
        return " ".join(path.read_text(encoding="utf-8").split())
    ids = label.split()
    if not all(i.isdigit() for i in ids):
        return " ".join(ids)
    return settings.tokenizer(f"{path} is not there and the labels are token ids").decode([int(i) for i in ids])


def crop_file(clip: Clip, out: Path, settings: Settings) -> Path | None:
    """The mouth video of a clip, None without a crop."""
    return out / settings.name / _relative(clip, settings) if clip.crop else None


def _relative(clip: Clip, settings: Settings) -> str:
    return f"{settings.name}_video_{SEGMENT}/{stem_of(clip, settings)}.mp4"


def write(clips: list[Clip], out: Path, settings: Settings) -> None:
    """Write label file, mouth videos and upper-case text. Raises VsrError for clips without a crop."""
    tokenizer = settings.tokenizer("auto_avsr's labels hold token ids")
    name, lines = settings.name, []
    for clip in clips:
        stem, relative = stem_of(clip, settings), _relative(clip, settings)
        ids = tokenizer.encode(clip.text)
        if not ids:
            raise VsrError("bad_manifest", f"{clip.id}: its text has no tokens")
        frames = write_roi(clip, out / name / relative)
        write_text(out / name / f"{name}_text_{SEGMENT}/{stem}.txt", clip.text.upper())
        lines.append(f"{name},{relative},{frames},{' '.join(map(str, ids))}")
    write_lines(out / "labels" / f"{name}_{settings.subset}_transcript_lengths_{SEGMENT}.csv", lines)
