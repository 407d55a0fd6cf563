"""AV-HuBERT (also VSP-LLM, MMS-LLaMA): ``<subset>.tsv`` and ``<subset>.wrd``, mouth videos, ``dict.wrd.txt``.

The first line of the tsv is the root of the paths; then ``id, video, sound, video frames, sound samples`` a clip.
Sound is not written: its column names the file where it would lie, so such a folder serves video alone.
"""

from __future__ import annotations

from pathlib import Path

from vsr.core.clock import SAMPLES_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.files import write_lines
from vsr.data.exchange.convert import Settings, id_of, rows, unique, whole
from vsr.data.exchange.roi import put_roi
from vsr.data.manifest import Clip
from vsr.text.normalise import lower
from vsr.text.tokenizer import UNK


def read(path: Path, settings: Settings) -> list[Clip]:
    """Clips of a tsv with the texts of the wrd file beside it."""
    (_, (root, *_)), *lines = rows(path, "\t", 1)
    texts = [" ".join(columns) for _, columns in rows(path.with_suffix(".wrd"), None, 1)]
    if len(texts) != len(lines):
        raise VsrError("bad_manifest", f"{path} has {len(lines)} clips, its .wrd file {len(texts)} texts")
    clips = [
        _clip(Path(root), columns, text, f"{path}, line {number}")
        for (number, columns), text in zip(lines, texts, strict=True)
    ]
    return unique(clips, path)


def _clip(root: Path, columns: list[str], text: str, where: str) -> Clip:
    if len(columns) != 5:
        raise VsrError("bad_manifest", f"{where}: {len(columns)} columns, 5 expected")
    name, video, _, frames, _ = columns
    speaker = name.split("/")[-2] if "/" in name else ""
    video = str(root / video)
    return Clip(id_of(name), video, text, speaker, whole(frames, where), video)


def write(clips: list[Clip], out: Path, settings: Settings) -> None:
    """tsv, wrd, mouth videos, and with a tokenizer ``dict.wrd.txt``. Raises VsrError for clips without crop."""
    out = out.absolute()
    lines, texts = ["/"], []
    for clip in clips:
        name = f"{id_of(clip.speaker or settings.subset)}/{clip.id}"
        frames = put_roi(clip, out / "video" / f"{name}.mp4")
        paths = f"{out / 'video' / name}.mp4\t{out / 'audio' / name}.wav"
        lines.append(f"{settings.subset}/{name}\t{paths}\t{frames}\t{frames * SAMPLES_PER_FRAME}")
        texts.append(lower(clip.text))
    if settings.tokens:
        tokenizer = settings.tokenizer("")
        pieces = tokenizer.pieces(range(UNK + 1, tokenizer.eos_id))
        write_lines(out / "dict.wrd.txt", (f"{piece} 1" for piece in pieces))
    write_lines(out / f"{settings.subset}.wrd", texts)
    write_lines(out / f"{settings.subset}.tsv", lines)
