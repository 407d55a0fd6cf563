"""Transcribed clips as a user has them: a manifest, or a folder of videos with the text of each beside it."""

from __future__ import annotations

import re
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import read_lines
from vsr.data.manifest import Clip, read_manifest

ODD = re.compile(r"[^A-Za-z0-9_.@+-]+")  # what an id of a clip cannot have


def transcribed_clips(path: str | Path) -> list[Clip]:
    """The clips of a manifest, or of a folder in which NAME.txt holds what is said in NAME.mp4 (or any other video).

    Raises VsrError bad_manifest for a text without a video or with several, for an empty one, and for a folder without
    texts.
    """
    path = Path(path)
    if not path.is_dir():
        return read_manifest(path)
    texts = sorted(own for own in path.iterdir() if own.suffix.lower() == ".txt" and own.is_file())
    if not texts:
        raise VsrError("bad_manifest", f"{path} has no transcripts: NAME.txt beside NAME.mp4 holds what is said in it")
    return [_clip(text, number) for number, text in enumerate(texts)]


def _clip(text: Path, number: int) -> Clip:
    """The clip of a transcript; ids begin with a number, so that two names never give one."""
    videos = [own for own in text.parent.iterdir() if own.stem == text.stem and own != text and own.is_file()]
    if len(videos) != 1:
        problem = f"{len(videos)} files" if videos else "no video"
        raise VsrError("bad_manifest", f"{text} has {problem} of its name beside it; it needs one video")
    said = " ".join(" ".join(line for _, line in read_lines(text)).split())
    if not said:
        raise VsrError("bad_manifest", f"{text} is empty: write down what is said in {videos[0].name}")
    return Clip(f"{number:04d}_{ODD.sub('_', text.stem)}", str(videos[0]), said)
