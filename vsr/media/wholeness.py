"""Whether a recording can be read to its end, by decoding all of it and looking at nothing: for work that is of no use
if it cannot."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from vsr.media.container import decoded_frames, open_container, opened
from vsr.media.ending import Demuxed, check_complete
from vsr.media.streams import sound_stream
from vsr.media.timestamps import Clock


def check_video(path: str | Path) -> None:
    """Refuse a recording whose frames break off or are damaged. Raises VsrError unreadable, no_video."""
    with opened(path) as (container, stream):
        _check(path, container, stream)


def check_sound(path: str | Path) -> None:
    """The same of the sound of a recording, if it has any. Raises VsrError unreadable."""
    with open_container(path) as container:
        if stream := sound_stream(container):
            _check(path, container, stream, "the sound ")


def _check(path: str | Path, container, stream, what: str = "") -> None:
    seen, clock = Demuxed(path, container, stream), Clock(container, stream)
    frames = seen.damage.unspoilt(decoded_frames(seen, stream))
    deque(seen.damage.noted(clock.timed(frames)), maxlen=0)
    check_complete(path, seen, clock, what=what)
