"""Seeks to a time in a recording, if its container has a reliable index."""

from __future__ import annotations

import os
from pathlib import Path

from vsr.media.structure import segment_end

INDEXED = {"mp4", "matroska"}
RUN_UP = 2.0  # seconds decoded before the requested frame


def seek_before(path: str | Path, container, stream, origin: float, seconds: float) -> bool:
    """Seek to a point, at least a second before ``seconds``, from which frames or sound can be decoded; False if
    seeking in the container is not reliable, or failed. ``origin``: the time stamp of second 0."""
    import av

    if seconds < 2 * RUN_UP or not has_index(path, container):
        return False
    try:
        container.seek(int((origin + seconds - RUN_UP) / stream.time_base), stream=stream)
    except (av.error.FFmpegError, OSError, ValueError):
        return False
    return True


def has_index(path: str | Path, container) -> bool:
    """Whether a container has a reliable index, of a single recording."""
    kinds = set(container.format.name.split(",")) & INDEXED
    return bool(kinds) and not ("matroska" in kinds and _is_joined(path))


def landed_before(packet, origin: float, seconds: float) -> bool:
    """Whether the first frame or packet after seeking is early enough, and a key frame."""
    if packet is None or packet.pts is None:
        return False
    key = packet.key_frame if hasattr(packet, "key_frame") else packet.is_keyframe
    return key and float(packet.pts * packet.time_base) - origin < seconds - RUN_UP / 2


def rewind(container) -> None:
    """Seek back to the beginning."""
    container.seek(min(0, container.start_time or 0))


def _is_joined(path: str | Path) -> bool:
    """Whether a Matroska file continues after its end, so that its index covers two recordings."""
    with open(path, "rb") as file:
        try:
            end = segment_end(file)
        except IndexError:
            return False
    return 0 < end < os.path.getsize(path)
