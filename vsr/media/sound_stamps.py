"""Time stamps of sound that are believed: a damaged or forged one must not ask for hours of silence.

Shapes: pieces (time stamp in seconds or None, samples (n,)) as they were decoded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsr.media.container import MAX_HOLD, opened, safe_packets

Piece = tuple[float | None, np.ndarray]


def believed(path: str | Path, pieces: list[Piece], rate: int, start: float | None) -> list[Piece]:
    """The pieces that lie where the recording has frames; ``start``: time stamp of the first of those.

    In sound alone (``start`` None) nothing has to keep a place: silence beyond what was recorded is closed. Nothing is
    looked at unless more than ten seconds of silence are asked for. Raises VsrError unreadable.
    """
    if _silence(pieces, rate, start) <= MAX_HOLD:
        return pieces
    if start is None:
        return [(None, samples) for _, samples in pieces]
    end = _end_of_video(path, start)
    return [(time, samples) for time, samples in pieces if time is None or time < end]


def _silence(pieces: list[Piece], rate: int, start: float | None) -> float:
    """Seconds that the pieces leave empty."""
    ends = [time + len(samples) / rate for time, samples in pieces if time is not None]
    if not ends:
        return 0.0
    begin = start if start is not None else next(time for time, _ in pieces if time is not None)
    return max(ends) - begin - sum(len(samples) for _, samples in pieces) / rate


def _end_of_video(path: str | Path, start: float) -> float:
    """Time stamp at which the frames end, none of which stands for longer than MAX_HOLD on the average."""
    passed, count, last = 0.0, 0, None
    with opened(path) as (container, stream):
        for packet in safe_packets(container, stream):
            if packet.dts is not None:
                order = float(packet.dts * packet.time_base)
                passed += max(0.0, order - last) if last is not None else 0.0
                count, last = count + 1, order
    return start + min(passed, count * MAX_HOLD) + MAX_HOLD
