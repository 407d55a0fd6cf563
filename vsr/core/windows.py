"""Long clips -> overlapping windows of frames, so that memory stays bounded for a clip of any length."""

from __future__ import annotations

import numpy as np

from vsr.core.clock import FPS

WINDOW = 12 * FPS  # frames
OVERLAP = 2 * FPS  # frames, at least: several words, so that each is whole in one of the two windows


def frame_edges(times: np.ndarray) -> np.ndarray:
    """Frame times (T,) -> frame borders (T+1,): the end of the last frame is one frame after its start."""
    return np.append(times, times[-1] + 1 / FPS)


def window_spans(num_frames: int, window: int = WINDOW, overlap: int = OVERLAP) -> list[tuple[int, int]]:
    """Split `num_frames` into (start, stop) spans of at most `window` frames, overlapping by `overlap` or more.

    All spans are equally long and evenly spread, so that none is a stub and a batch needs no padding.
    """
    if num_frames <= window:
        return [(0, num_frames)]
    steps = -(-(num_frames - window) // (window - overlap))
    starts = [index * (num_frames - window) // steps for index in range(steps + 1)]
    return [(start, start + window) for start in starts]
