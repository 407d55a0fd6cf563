"""Concatenated recordings, as on DVDs or from `cat`, in which the time stamps of each part start again."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from vsr.media.container import open_video, safe_packets
from vsr.media.timestamps import RESTARTED, mean_rate


def video_shifts(path: str | Path) -> list[float]:
    """Seconds to add to the time stamps of each recording in a file, so that frames follow each other as in
    `vsr.media.reader`; the first is 0. Packets are examined without decoding. Raises VsrError."""
    with open_video(path) as (container, stream):
        shifts, last, last_dts, step = [0.0], -math.inf, -math.inf, 1 / mean_rate(stream)
        for packet in safe_packets(container, stream):
            if packet.pts is None or packet.dts is None:
                continue
            pts, dts = float(packet.pts * packet.time_base), float(packet.dts * packet.time_base)
            if dts < last_dts - RESTARTED:
                shifts.append(last + step - pts)
                last = -math.inf
            last_dts, last = dts, max(last, pts + shifts[-1])
    return shifts


def shifted_after_restarts(times: list[float | None], shifts: list[float]) -> list[float | None]:
    """Time stamps of another stream of that file, shifted like the video; the last shift applies to all that follow."""
    clock = OneClock(lambda: shifts)
    return [None if time is None else clock.place(time) for time in times]


class OneClock:
    """Shifts the time stamps of another stream, one by one, like the video; ``shifts`` of `video_shifts` are asked for
    at the first restart."""

    def __init__(self, shifts: Callable[[], list[float]]):
        self._shifts, self._index, self._last = shifts, 0, -math.inf

    def place(self, time: float) -> float:
        """The shifted time stamp."""
        if time < self._last - RESTARTED:
            self._index = min(self._index + 1, len(self._known) - 1)
        self._last = time
        return time + self._known[self._index] if self._index else time

    @cached_property
    def _known(self) -> list[float]:
        return self._shifts()
