"""Discards implausible time stamps of sound: a damaged or forged one must not cause hours of silence.

Shapes: decoded pieces (time stamp in seconds or None, samples (n,)).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsr.media.container import MAX_HOLD, open_video, safe_packets

Piece = tuple[float | None, np.ndarray]


def plausible_pieces(path: str | Path, pieces: list[Piece], rate: int, start: float | None) -> list[Piece]:
    """The pieces within the time of the video frames; ``start``: time stamp of the first frame.

    In sound without video (``start`` None) times do not matter: the pieces are joined without gaps. This applies only
    if the time stamps imply more than ten seconds of silence. Raises VsrError unreadable.
    """
    if _silence(pieces, rate, start) <= MAX_HOLD:
        return pieces
    if start is None:
        return [(None, samples) for _, samples in pieces]
    end = _end_of_video(path, start)
    return [(time, samples) for time, samples in pieces if time is None or time < end]


def _silence(pieces: list[Piece], rate: int, start: float | None) -> float:
    """Seconds of silence between the pieces by their time stamps."""
    ends = [time + len(samples) / rate for time, samples in pieces if time is not None]
    if not ends:
        return 0.0
    begin = start if start is not None else next(time for time, _ in pieces if time is not None)
    return max(ends) - begin - sum(len(samples) for _, samples in pieces) / rate


def _end_of_video(path: str | Path, start: float) -> float:
    """Time stamp at which the frames end; at most MAX_HOLD per frame on average, and MAX_HOLD after the last."""
    passed, count, last = 0.0, 0, None
    with open_video(path) as (container, stream):
        for packet in safe_packets(container, stream):
            if packet.dts is not None:
                dts = float(packet.dts * packet.time_base)
                passed += max(0.0, dts - last) if last is not None else 0.0
                count, last = count + 1, dts
    return start + min(passed, count * MAX_HOLD) + MAX_HOLD
