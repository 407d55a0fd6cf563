"""Converts the time stamps of frames to seconds; the only place that does so.

All times in `vsr` and `lip2speech` are seconds after the container's start: the zero that players show, which is the
first time stamp of any of its frames or sounds. Time stamps may start anywhere (at an hour, when a camera was switched
on, at a negative number), be missing, or be damaged; the seconds that this module gives are always increasing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from vsr.core.clock import FPS
from vsr.core.required import required

RESTARTED = 0.5  # seconds by which time stamps must go back, and continue from there, at the start of a new recording
EARLIEST = 86_400.0  # seconds by which sound may begin before the frames; beyond it a stamp is damaged
AHEAD = 16  # frames without a stamp that may wait for the first one with a stamp
RARE = 4  # times the mean step: a frame shown for longer is not representative of the others
SHUFFLED = 8  # if a second stamp goes back within so many frames, all stamps are in the order of decoding


def mean_rate(stream) -> float:
    """Mean frames per second; 25 where the header has no plausible rate."""
    rates = [getattr(stream, name, None) for name in ("average_rate", "guessed_rate")]  # sound has neither
    if stream.start_time is None:  # without time stamps FFmpeg's mean is always 25, whatever the frames' header says
        rates.reverse()
    rate = float(rates[0] or rates[1] or FPS)
    return rate if 0.1 <= rate <= 1000 else float(FPS)


def origin_of(container, first: float) -> float:
    """The time stamp that players show as zero: the container's start, or where that is unknown or implausible the
    first frame's, ``first`` (seconds)."""
    start = container.start_time / 1e6 if container.start_time is not None else first
    return start if 0 <= first - start < EARLIEST else first


class Clock:
    """Computes the times of the frames of a stream.

    step: mean seconds between frames; last, stamp: seconds and time stamp of the latest frame, None before the first;
    count: frames decoded.
    """

    def __init__(self, container, stream):
        self.step, self.last, self.stamp, self.count = 1 / mean_rate(stream), None, None, 0
        self._origin: float | None = None
        self._container, self._tick = container, float(stream.time_base or 0)

    @property
    def origin(self) -> float:
        """Time stamp of second 0. Raises LookupError before the first frame."""
        return required(self._origin, "the time stamp of the first frame")

    @property
    def begun(self) -> bool:
        """Whether the origin is known."""
        return self._origin is not None

    def timed(self, frames: Iterable) -> Iterator[tuple]:
        """(frame, seconds), increasing, of decoded frames in display order. A frame without a time stamp is placed one
        step after the previous one; a frame with a damaged stamp is left out."""
        timeline, stamped = None, ((frame, frame.time) for frame in frames)
        for frame, stamp in counted_back(stamped, self.step, (self._container.start_time or 0) / 1e6):
            if self._origin is None:
                self._origin = origin_of(self._container, stamp)
            timeline = timeline or Line(self.origin, self.step)
            seconds = timeline.place(stamp, None if frame.dts is None else frame.dts * self._tick)
            self.count, self.stamp = self.count + 1, frame.time
            if seconds is not None:
                self.last = seconds
                yield frame, seconds


def counted_back(stamped: Iterable[tuple], step: float, start: float) -> Iterator[tuple]:
    """Fill in missing time stamps of the first (item, time stamp or None) pairs, by counting back from the first stamp,
    or on from ``start`` if none of the first `AHEAD` has one."""
    stamped, waiting = iter(stamped), []
    for item, stamp in stamped:
        waiting.append(item)
        if stamp is not None or len(waiting) == AHEAD:
            start = start if stamp is None else stamp - step * (len(waiting) - 1)
            break
    yield from ((item, start + step * count) for count, item in enumerate(waiting))
    waiting.clear()
    yield from stamped


class Line:
    """Converts time stamps in display order to increasing seconds."""

    def __init__(self, origin: float, step: float):
        self._origin, self._step, self._last_step = origin, step, step
        self._last, self._behind = -math.inf, math.inf
        self._delay: float | None = None
        self._since, self._shuffled = math.inf, False

    def place(self, stamp: float | None, decoded: float | None = None) -> float | None:
        """Seconds of the next frame; None if its stamp is damaged, and the frame must be left out.

        Args:
            stamp: its time stamp, None if it has none.
            decoded: its decoding time stamp, which is used instead where the stamps of a container (AVI) are in the
                order of decoding, so that one goes back every few frames.
        """
        if self._delay is None and stamp is not None and decoded is not None:
            self._delay = decoded - stamp
        if self._shuffled and self._delay is not None:
            stamp = None if decoded is None else decoded - self._delay
        time = self._last + self._last_step if stamp is None else stamp - self._origin
        if time <= self._last:
            if not self._behind < time < self._last - RESTARTED:
                self._behind = time
                self._note_step_back(decoded is not None and time > self._last - RESTARTED)
                return None
            # Concatenated files: this is the second frame of the next one.
            later = self._last + 2 * self._step
            self._origin, time = self._origin - (later - time), later
        self._take(time)
        return self._last

    def _take(self, time: float) -> None:
        if 0 < time - self._last < RARE * self._step:
            self._last_step = time - self._last
        self._since, self._behind = self._since + 1, math.inf
        self._last = max(time, 0.0) if self._last == -math.inf else time

    def _note_step_back(self, small: bool) -> None:
        """Repeated small steps back are no damage: the stamps are then in the order of decoding."""
        self._shuffled = self._shuffled or small and self._since < SHUFFLED and self._delay is not None
        self._since = 0
