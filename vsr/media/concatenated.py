"""Concatenated recordings, as on DVDs or from `cat`, in which the time stamps of each part start again."""

from __future__ import annotations

import math
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
    shifted, index, last = [], 0, -math.inf
    for time in times:
        if time is not None:
            index += time < last - RESTARTED and index + 1 < len(shifts)
            last = time
        shifted.append(None if time is None else time + shifts[index])
    return shifted
