"""Recordings put together one behind the other, as on DVDs or by `cat`: the time stamps of each begin again."""

from __future__ import annotations

import math
from pathlib import Path

from vsr.media.container import opened, safe_packets
from vsr.media.timestamps import RESTARTED, mean_rate


def video_shifts(path: str | Path) -> list[float]:
    """Seconds to be added to the time stamps of each recording in a file, so that frames follow each other as
    `vsr.media.reader` shows them; the first is 0. Packets are looked at, nothing is decoded. Raises VsrError."""
    with opened(path) as (container, stream):
        shifts, last, decoded, step = [0.0], -math.inf, -math.inf, 1 / mean_rate(stream)
        for packet in safe_packets(container, stream):
            if packet.pts is None or packet.dts is None:
                continue
            shown, order = float(packet.pts * packet.time_base), float(packet.dts * packet.time_base)
            if order < decoded - RESTARTED:
                shifts.append(last + step - shown)
                last = -math.inf
            decoded, last = order, max(last, shown + shifts[-1])
    return shifts


def shifted_after_restarts(times: list[float | None], shifts: list[float]) -> list[float | None]:
    """Time stamps of another stream of that file, moved by as much; what follows the last recording goes with it."""
    moved, part, last = [], 0, -math.inf
    for time in times:
        if time is not None:
            part += time < last - RESTARTED and part + 1 < len(shifts)
            last = time
        moved.append(None if time is None else time + shifts[part])
    return moved
