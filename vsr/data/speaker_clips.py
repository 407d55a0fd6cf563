"""Clips of one person from a user: manifests, or folders of videos with or without a text beside each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import read_lines, same_file
from vsr.data.manifest import Clip, read_manifest
from vsr.data.recordings import SOUNDS, UNSAFE, recordings


def transcribed_clips(path: str | Path) -> list[Clip]:
    """The clips of a manifest, or of a folder in which NAME.txt holds what is said in NAME.mp4 (or any other video).

    Raises VsrError bad_manifest for a text without a video or with several, for an empty one, and for a folder without
    texts.
    """
    path = Path(path)
    if not path.is_dir():
        return read_manifest(path)
    texts = sorted(file for file in path.iterdir() if file.suffix.lower() == ".txt" and file.is_file())
    if not texts:
        raise VsrError("bad_manifest", f"{path} has no transcripts: NAME.txt beside NAME.mp4 holds what is said in it")
    return [_clip(text, number) for number, text in enumerate(texts)]


def untranscribed_clips(path: str | Path, transcribed: Sequence[Clip] = ()) -> list[Clip]:
    """The clips of a manifest, a folder or a video, without their texts; clips of ``transcribed`` are left out.

    In a folder, videos that have a NAME.txt count as transcribed and are left out. Raises VsrError bad_manifest where
    no clip is left, and like `vsr.data.recordings.recordings`.
    """
    clips = [clip for clip in recordings([path]) if Path(clip.video).suffix[1:].lower() not in SOUNDS]
    if Path(path).is_dir():
        clips = [clip for clip in clips if not clip.text]
    clips = [clip for clip in clips if not any(_same(clip, other) for other in transcribed)]
    if not clips:
        raise VsrError("bad_manifest", f"{path} has no videos without text besides those that are transcribed")
    return [replace(clip, id=f"untranscribed.{clip.id}", text="", words=()) for clip in clips]


def _same(clip: Clip, other: Clip) -> bool:
    """Whether two clips are the same part of the same video."""
    return (clip.start, clip.end) == (other.start, other.end) and same_file(clip.video, other.video)


def _clip(text: Path, number: int) -> Clip:
    """The clip of a transcript; ids begin with a number, so that two names never give the same id."""
    videos = [file for file in text.parent.iterdir() if file.stem == text.stem and file != text and file.is_file()]
    if len(videos) != 1:
        problem = f"{len(videos)} files" if videos else "no video"
        raise VsrError("bad_manifest", f"{text} has {problem} of its name beside it; it needs one video")
    transcript = " ".join(" ".join(line for _, line in read_lines(text)).split())
    if not transcript:
        raise VsrError("bad_manifest", f"{text} is empty: write down what is said in {videos[0].name}")
    return Clip(f"{number:04d}_{UNSAFE.sub('_', text.stem)}", str(videos[0]), transcript)
