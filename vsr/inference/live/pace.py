"""The times of a stream's frames: from its time stamps or, without any, from its frame rate and the arrival times."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vsr.core.clock import FPS
from vsr.media.timestamps import Line

if TYPE_CHECKING:
    from av.video.stream import VideoStream

LATE = 1.0  # delay in seconds against the frame rate above which frames count as missing
MEASURED = 2.0  # seconds of frames that arrive singly, from which their rate is measured
ONE_BY_ONE = 0.005  # seconds between two frames that were not buffered together
RATES = (5.0, 130.0)  # frames a second of a camera


class Pace:
    """The clock of one stream. count: frames so far.

    Raw streams such as H.264 from a camera's program have no time stamps: the interval of frames is that of the
    declared rate or, without one, their average interval of arrival; single arrival times depend on the buffers in
    between. Some cameras give time stamps only after a while; the clock then continues with these.
    """

    def __init__(self, stream: VideoStream):
        self.count = 0
        self._rate = float(stream.codec_context.framerate or 0)
        self._declared = RATES[0] <= self._rate <= RATES[1]
        self._rate = self._rate if self._declared else float(FPS)
        self._last: float | None = None  # time of the last frame without a time stamp, in seconds
        self._line: Line | None = None
        self._began = self._latest = 0.0
        self._awaited: tuple[int, float] | None = None  # count and arrival of the first frame that was not buffered

    def place(self, stamp: float | None) -> float | None:
        """The time of the frame that has just arrived, in seconds since the first; None for a frame to be skipped."""
        now = time.monotonic()
        if not self.count:
            self._began = self._latest = now
        self.count += 1
        if self._line is None and stamp is not None:
            self._line = Line(stamp - self._next(now), 1 / self._rate)
        if self._line is not None:
            return self._line.place(stamp)
        self._last = self._next(now)
        return self._last

    def _next(self, now: float) -> float:
        """The time of the next frame by the rate, or by its arrival if that is much later."""
        if self._last is None:
            return 0.0
        self._measure(now)
        by_rate, by_arrival = self._last + 1 / self._rate, now - self._began
        return by_arrival if by_arrival > by_rate + LATE else by_rate

    def _measure(self, now: float) -> None:
        is_single, self._latest = now - self._latest > ONE_BY_ONE, now
        if self._declared or not is_single:
            return
        count, began = self._awaited = self._awaited or (self.count, now)
        if now - began >= MEASURED:
            self._rate = min(max((self.count - count) / (now - began), RATES[0]), RATES[1])
