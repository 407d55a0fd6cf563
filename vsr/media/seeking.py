"""Jumps to a second of a recording, where its container has an index that leads to the right frame."""

from __future__ import annotations

import os
from pathlib import Path

from vsr.media.structure import segment_end

INDEXED = {"mp4", "matroska"}
RUN_UP = 2.0  # seconds decoded before the frame that is wanted


def sought(path: str | Path, container, stream, origin: float, seconds: float) -> bool:
    """Go to a place, at least a second before ``seconds``, from which on frames or sounds can be decoded; False where
    the container is not trusted to jump, or could not. ``origin``: the time stamp of second 0."""
    import av

    if seconds < 2 * RUN_UP or not indexed(path, container):
        return False
    try:
        container.seek(int((origin + seconds - RUN_UP) / stream.time_base), stream=stream)
    except (av.error.FFmpegError, OSError, ValueError):
        return False
    return True


def indexed(path: str | Path, container) -> bool:
    """Whether a container has an index, of one recording, that can be trusted."""
    kinds = set(container.format.name.split(",")) & INDEXED
    return bool(kinds) and not ("matroska" in kinds and _is_joined(path))


def landed_before(found, origin: float, seconds: float) -> bool:
    """Whether the first frame or packet after a jump is early enough, and one that needs none before it."""
    if found is None or found.pts is None:
        return False
    key = found.key_frame if hasattr(found, "key_frame") else found.is_keyframe
    return key and float(found.pts * found.time_base) - origin < seconds - RUN_UP / 2


def rewind(container) -> None:
    """Back to the beginning."""
    container.seek(min(0, container.start_time or 0))


def _is_joined(path: str | Path) -> bool:
    """Whether a Matroska file goes on behind its end, so that its index lists two recordings."""
    with open(path, "rb") as file:
        try:
            end = segment_end(file)
        except IndexError:
            return False
    return 0 < end < os.path.getsize(path)
