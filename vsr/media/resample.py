"""Resamples frames to the 25 fps grid: each instant shows the source frame with the nearest time stamp."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from vsr.core.clock import FPS
from vsr.media.container import MAX_HOLD


@dataclass(frozen=True)
class Position:
    """A position on the 25 fps grid: `index` frames after the first frame, which is shown at second `start`."""

    start: float
    index: int

    @property
    def time(self) -> float:
        """Seconds after the container's start."""
        return self.start + self.index / FPS


def on_grid(
    images: Iterator[tuple], step: float, begin: Position | None = None, is_lost: Callable[[float], bool] | None = None
) -> Iterator[tuple]:
    """(nearest frame, position) for each instant first + k/25 up to the end of the last frame.

    `images` are (frame, seconds); `step` is the duration of a single frame; `begin`: where to start. A frame that
    stands for over `MAX_HOLD` is shown only as long as the previous one: instants are left out, none is shifted. The
    same applies before a frame at a time for which ``is_lost`` reports missing frames.
    """
    previous, previous_time = None, 0.0
    start, count = (begin.start, begin.index) if begin else (0.0, 0)
    for image, time in images:
        if previous is None:
            start = begin.start if begin else time
        elif time - previous_time > MAX_HOLD or is_lost is not None and is_lost(time):
            yield from _repeat(previous, start, count, previous_time + step - 0.5 / FPS)
            count = _next_index(start, count, time - 0.5 / FPS)
        else:
            middle = (previous_time + time) / 2
            yield from _repeat(previous, start, count, middle)
            count = _next_index(start, count, middle)
            step = time - previous_time
        previous, previous_time = image, time
    if previous is not None:
        yield from _repeat(previous, start, count, max(previous_time + step - 0.5 / FPS, start + 1e-6))


def with_repetitions(images: Iterator[tuple], step: float) -> Iterator[tuple]:
    """(frame, seconds), each frame repeated every 1 / 25 s while it stands: until the next one, the last for ``step``
    seconds. Repetitions that would come less than half of that before the next frame are left out, and all of a frame
    that stands for over `MAX_HOLD`, where frames are missing."""
    previous, previous_time = None, 0.0
    for image, time in images:
        if previous is not None and time > previous_time:
            yield from _copies(previous, previous_time, time)
        previous, previous_time = image, time
    if previous is not None:
        yield from _copies(previous, previous_time, previous_time + step)


def _copies(image, start: float, end: float) -> Iterator[tuple]:
    """(frame, seconds) of a frame that stands from ``start`` to ``end``."""
    count = max(1, math.ceil((end - start) * FPS - 0.5)) if end - start <= MAX_HOLD else 1
    return ((image, start + k / FPS) for k in range(count))


def index_at(start: float, seconds: float) -> int:
    """Index of the frame that is nearest to a time, for frames that begin at ``start``; 0 before them."""
    return max(0, round((seconds - start) * FPS))


def frames_between(start: float, end: float, step: float) -> int:
    """Number of frames that `on_grid` yields for frames ``step`` seconds apart, lasting from ``start`` to ``end``."""
    return _next_index(start, 1, end - min(0.5 / FPS, 1.5 * step))


def named_part(start: float, end: float) -> str:
    """Description of a part of a video: " from 1.00 to 2.00 s"; "" for the whole."""
    if not (start or end):
        return ""
    return f" from {start:.2f} to {end:.2f} s" if end else f" from {start:.2f} s on"


def stretches(times: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of the runs of frames at ``times`` (n,) without a gap."""
    gaps = np.flatnonzero(np.abs(np.diff(times) - 1 / FPS) > 0.5 / FPS) + 1
    edges = [0, *map(int, gaps), len(times)]
    return list(zip(edges[:-1], edges[1:], strict=True)) if len(times) else []


def between_gaps(times: np.ndarray, spans: list[tuple[int, int]], least: int) -> list[tuple[int, int]]:
    """Split spans (start, stop) of frames at ``times`` (n,) where frames are missing; parts of fewer than ``least``
    frames are left out."""
    parts = stretches(times)
    if len(parts) < 2:
        return spans
    split = [(max(start, first), min(stop, last)) for start, stop in spans for first, last in parts]
    return [(start, stop) for start, stop in split if stop - start >= least]


def _next_index(start: float, count: int, end: float) -> int:
    """First grid index at or after `end`, never before `count`."""
    return max(count, math.ceil((end - start) * FPS - 1e-6))


def _repeat(image, start: float, count: int, end: float) -> Iterator[tuple]:
    for index in range(count, _next_index(start, count, end)):
        yield image, Position(start, index)
