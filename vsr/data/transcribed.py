"""Clips of one person as a user has them: manifests or folders of videos, with the text of each beside it or not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import read_lines, same_file
from vsr.data.manifest import Clip, read_manifest
from vsr.data.recordings import SOUNDS, recordings

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


def untranscribed_clips(path: str | Path, transcribed: Sequence[Clip] = ()) -> list[Clip]:
    """The clips of a manifest, a folder or a video, without their texts, but for those of ``transcribed``.

    In a folder, videos that have a NAME.txt count as transcribed and are left out. Raises VsrError bad_manifest where
    no clip is left, and as `vsr.data.recordings.recordings`.
    """
    found = [clip for clip in recordings([path]) if Path(clip.video).suffix[1:].lower() not in SOUNDS]
    if Path(path).is_dir():
        found = [clip for clip in found if not clip.text]
    found = [clip for clip in found if not any(_same(clip, own) for own in transcribed)]
    if not found:
        raise VsrError("bad_manifest", f"{path} has no videos without text besides those that are transcribed")
    return [replace(clip, id=f"untranscribed.{clip.id}", text="", words=()) for clip in found]


def _same(clip: Clip, other: Clip) -> bool:
    """Whether two clips are the same part of the same video."""
    return (clip.start, clip.end) == (other.start, other.end) and same_file(clip.video, other.video)


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
