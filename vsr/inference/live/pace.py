"""When the frames of a stream were taken: by its time stamps; where it has none, by its rate and by their coming."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vsr.core.clock import FPS
from vsr.media.timestamps import Line

if TYPE_CHECKING:
    from av.video.stream import VideoStream

LATE = 1.0  # seconds by which frames come later than their rate says before it is believed that some are missing
MEASURED = 2.0  # seconds of frames that come one by one after which their rate is known
ONE_BY_ONE = 0.005  # seconds between two frames that were not waiting together
RATES = (5.0, 130.0)  # frames a second of a camera


class Pace:
    """The clock of one stream. count: frames so far.

    Raw H.264 and the like from a camera's program has no time stamps: frames are as far apart as the stream says or,
    where it says nothing, as they come on average; how they come one by one depends on the buffers in between. Some
    cameras give time stamps only after a while; the clock goes on with them.
    """

    def __init__(self, stream: VideoStream):
        self.count = 0
        self._rate = float(stream.codec_context.framerate or 0)
        self._declared = RATES[0] <= self._rate <= RATES[1]
        self._rate = self._rate if self._declared else float(FPS)
        self._last: float | None = None  # seconds of the last frame without a stamp
        self._line: Line | None = None
        self._began = self._latest = 0.0
        self._awaited: tuple[int, float] | None = None  # count and moment of the first frame that was waited for

    def place(self, stamp: float | None) -> float | None:
        """Seconds since the first frame of the next one, which came just now; None for one that is to be left out."""
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
        """Seconds of the next frame by the rate, unless it comes much later."""
        if self._last is None:
            return 0.0
        self._measure(now)
        counted, come = self._last + 1 / self._rate, now - self._began
        return come if come > counted + LATE else counted

    def _measure(self, now: float) -> None:
        waited, self._latest = now - self._latest > ONE_BY_ONE, now
        if self._declared or not waited:
            return
        count, since = self._awaited = self._awaited or (self.count, now)
        if now - since >= MEASURED:
            self._rate = min(max((self.count - count) / (now - since), RATES[0]), RATES[1])
