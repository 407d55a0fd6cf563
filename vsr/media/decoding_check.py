"""Checks that a recording can be read to its end, by decoding all of it: for work that would otherwise be useless."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from vsr.media.container import decoded_frames, open_container, open_video
from vsr.media.streams import sound_stream
from vsr.media.timestamps import Clock
from vsr.media.truncation import Demuxed, check_complete


def check_video(path: str | Path) -> None:
    """Refuse a recording whose video is truncated or damaged. Raises VsrError unreadable, no_video."""
    with open_video(path) as (container, stream):
        _check(path, container, stream)


def check_sound(path: str | Path) -> None:
    """Refuse a recording whose sound, if any, is truncated or damaged. Raises VsrError unreadable."""
    with open_container(path) as container:
        if stream := sound_stream(container):
            _check(path, container, stream, "the sound ")


def _check(path: str | Path, container, stream, subject: str = "") -> None:
    demuxed, clock = Demuxed(path, container, stream), Clock(container, stream)
    frames = demuxed.damage.unspoilt(decoded_frames(demuxed, stream))
    deque(demuxed.damage.note_holes(clock.timed(frames)), maxlen=0)
    check_complete(path, demuxed, clock, what=subject)
