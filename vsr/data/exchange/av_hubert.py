"""AV-HuBERT (also VSP-LLM, MMS-LLaMA): ``<subset>.tsv`` and ``<subset>.wrd``, mouth videos, ``dict.wrd.txt``.

The first line of the tsv is the root of the paths; then one line per clip: ``id, video, sound, video frames, sound
samples``. Sound is not written: its column names the place where it would be, so such a folder serves video alone. A
list of lip2speech-unit has units in the place of texts (`vsr.data.exchange.prepared_speech`).
"""

from __future__ import annotations

from pathlib import Path

from vsr.core.clock import SAMPLES_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.files import write_lines
from vsr.core.tokens import UNK
from vsr.data.exchange.convert import Settings, frame_count, id_of, rows, stem_of, unique
from vsr.data.exchange.prepared_speech import PreparedSpeech, read_prepared, unit_list
from vsr.data.exchange.roi import write_roi
from vsr.data.manifest import Clip
from vsr.text.normalise import lower


def read(path: Path, settings: Settings) -> list[Clip]:
    """Clips of a tsv with the texts of the .wrd file beside it; texts are "" if there are units instead."""
    root, lines = _table(path)
    texts = _texts(path, len(lines))
    clips = [
        _clip(root, columns, text, f"{path}, line {number}")
        for (number, columns), text in zip(lines, texts, strict=True)
    ]
    return unique(clips, path)


def prepared_speech_of(path: Path) -> PreparedSpeech | None:
    """Prepared speech for the clips of a tsv, in their order; None where there is none. Raises VsrError."""
    root, lines = _table(path)
    return read_prepared(path, [root / columns[2] for _, columns in lines])


def _table(path: Path) -> tuple[Path, list[tuple[int, list[str]]]]:
    """The root of a tsv's paths and its clips' (line number, columns)."""
    table = list(rows(path, "\t", 1))
    if len(table) < 2:
        raise VsrError("bad_manifest", f"{path} holds no clips")
    (_, (root, *_)), *lines = table
    for number, columns in lines:
        if len(columns) != 5:
            raise VsrError("bad_manifest", f"{path}, line {number}: {len(columns)} columns, 5 expected")
    return _root(Path(root), path, lines[0][1][1]), lines


def _root(root: Path, path: Path, video: str) -> Path:
    """The root; where the first video is not below it, the folder above the list or the list's own that has it:
    prepared trees are moved, and their roots are relative to the working directory of the other toolkit's scripts."""
    return next((folder for folder in (root, path.parent.parent, path.parent) if (folder / video).is_file()), root)


def _texts(path: Path, clips: int) -> list[str]:
    words = path.with_suffix(".wrd")
    if not words.is_file() and unit_list(path):
        return [""] * clips
    texts = [" ".join(columns) for _, columns in rows(words, None, 1)]
    if len(texts) != clips:
        raise VsrError("bad_manifest", f"{path} has {clips} clips, its .wrd file {len(texts)} texts")
    return texts


def _clip(root: Path, columns: list[str], text: str, where: str) -> Clip:
    name, video, _, frames, _ = columns
    speaker = name.split("/")[-2] if "/" in name else ""
    video = str(root / video)
    return Clip(id_of(name), video, text, speaker, frame_count(frames, where), video)


def crop_file(clip: Clip, out: Path, settings: Settings) -> Path | None:
    """The mouth video of a clip, None without a crop."""
    return out / "video" / f"{stem_of(clip, settings)}.mp4" if clip.crop else None


def write(clips: list[Clip], out: Path, settings: Settings) -> None:
    """Write tsv, wrd, mouth videos, and with a tokenizer ``dict.wrd.txt``. Raises VsrError for clips without a crop."""
    out = out.absolute()
    lines, texts = ["/"], []
    for clip in clips:
        name = stem_of(clip, settings)
        frames = write_roi(clip, out / "video" / f"{name}.mp4")
        paths = f"{out / 'video' / name}.mp4\t{out / 'audio' / name}.wav"
        lines.append(f"{settings.subset}/{name}\t{paths}\t{frames}\t{frames * SAMPLES_PER_FRAME}")
        texts.append(lower(clip.text))
    if settings.tokens:
        tokenizer = settings.tokenizer("")
        pieces = tokenizer.pieces(range(UNK + 1, tokenizer.eos_id))
        write_lines(out / "dict.wrd.txt", (f"{piece} 1" for piece in pieces))
    write_lines(out / f"{settings.subset}.wrd", texts)
    write_lines(out / f"{settings.subset}.tsv", lines)
