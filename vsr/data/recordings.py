"""Recordings that a user names: a manifest, a folder of videos and sound files, or the files themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import read_lines
from vsr.data.manifest import Clip, read_manifest

VIDEOS = (
    "mp4",
    "m4v",
    "mov",
    "mkv",
    "webm",
    "avi",
    "mpg",
    "mpeg",
    "ts",
    "mts",
    "wmv",
    "flv",
    "3gp",
    "ogv",
    "mxf",
    "vob",
)
SOUNDS = ("wav", "flac", "mp3", "ogg", "oga", "opus", "m4a", "aac")
UNSAFE = re.compile(r"[^A-Za-z0-9_.@+-]+")  # characters that a clip id cannot have


def recordings(paths: Sequence[str | Path]) -> list[Clip]:
    """The clips of manifests (.jsonl), folders (at any depth) and files, in that order.

    The id of a file is its path in the folder; its text is the content of NAME.txt beside it, "" without one.
    Raises VsrError bad_manifest, unreadable for a path that does not exist or holds no recordings.
    """
    clips = [clip for path in paths for clip in _clips_of(Path(path))]
    taken: set[str] = set()
    for clip in clips:
        if clip.id in taken:
            raise VsrError("bad_manifest", f"two recordings would have the id {clip.id}: give them in separate runs")
        taken.add(clip.id)
    return clips


def _clips_of(path: Path) -> Iterable[Clip]:
    if path.suffix == ".jsonl":
        return read_manifest(path)
    if path.is_dir():
        files = sorted(
            file for file in path.rglob("*") if file.suffix[1:].lower() in VIDEOS + SOUNDS and file.is_file()
        )
        if not files:
            raise VsrError("unreadable", f"{path}: holds no videos and no sound files")
        return [_clip(file, file.relative_to(path).with_suffix("")) for file in files]
    if not path.is_file():
        raise VsrError("unreadable", f"{path}: no such file")
    return [_clip(path, Path(path.stem))]


def _clip(file: Path, name: Path) -> Clip:
    safe = UNSAFE.sub("_", "_".join(name.parts))
    text = file.with_suffix(".txt")
    transcript = " ".join(" ".join(line for _, line in read_lines(text)).split()) if text.is_file() else ""
    return Clip(safe if safe[:1].isalnum() else f"x{safe}", str(file), transcript)
