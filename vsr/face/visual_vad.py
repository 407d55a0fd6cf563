"""Visual voice activity: when the lips move, and where long speech can be cut.

Shapes: points (T, 37, 2) float32 pixels, gaps filled; activity (T,) in distances between the eyes. Frames at 25 fps.
"""

from __future__ import annotations

import numpy as np

from vsr.core.clock import FPS
from vsr.core.windows import OVERLAP, window_spans

REACH = 6  # frames on each side over which the motion of the lips is measured
REST = 0.012  # activity below which there is no speech; GRID: 0.02 to 0.11 in speech, 0.01 to 0.03 before and after
LONG_REST = 2 * FPS  # frames; shorter rests are pauses, which are read with the speech around them
MARGIN = 10  # frames of a rest that are read together with the adjacent speech
SETTLING = 2 * REACH + 3  # longest time in which the points of a newly found face may jump, frames
PAUSE = 0.6  # share of the median activity; a moment below it is not inside a word
SLACK = 1.2  # a stretch may exceed the window by this factor before it is cut


def activity(points: np.ndarray) -> np.ndarray:
    """Motion of the lips (T,) within half a second (opening and width), from points (T, 37, 2)."""
    eyes = np.linalg.norm(points[:, 5:11].mean(axis=1) - points[:, 11:17].mean(axis=1), axis=1)
    mouth = points[:, 17:37]
    opening = np.linalg.norm(mouth[:, 14] - mouth[:, 18], axis=1) / np.maximum(eyes, 1e-6)
    width = np.linalg.norm(mouth[:, 0] - mouth[:, 6], axis=1) / np.maximum(eyes, 1e-6)
    return _deviation(opening) + _deviation(width)


def _deviation(values: np.ndarray) -> np.ndarray:
    """Moving standard deviation over REACH frames each side; the ends are repeated."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, REACH, mode="edge"), 2 * REACH + 1)
    return windows.std(axis=1)


def speech_and_rest(
    active: np.ndarray, still: np.ndarray | None = None
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(start, stop) frames of the stretches to read, and of the rests of more than two seconds, which are not read.

    active (T,): `activity`; still (T,) bool: frames in which the pixels show that the lips rest.
    """
    calm = active < REST if still is None else (active < REST) | still
    calm[: int(np.argmax(calm))] |= bool(calm[:SETTLING].any())
    edges = np.flatnonzero(np.diff(np.concatenate([[0], calm.astype(int), [0]])))
    rests = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        start, stop = start + (MARGIN if start else 0), stop - (MARGIN if stop < len(active) else 0)
        if stop - start >= LONG_REST:
            rests.append((int(start), int(stop)))
    borders = [0, *(border for rest in rests for border in rest), len(active)]
    return [(a, b) for a, b in zip(borders[::2], borders[1::2], strict=True) if b > a], rests


def spans_of(active: np.ndarray, start: int, stop: int, window: int) -> list[tuple[int, int]]:
    """Cut a stretch of speech into (start, stop) spans of about `window` frames that are read separately.

    The cuts are at pauses; where there is no pause within a window, spans overlap by up to two seconds.
    """
    usual = float(np.median(active[start:stop]))
    calm = np.convolve(np.pad(active, 4, mode="edge"), np.ones(9) / 9, mode="valid")
    runs, begin, low = [], start, start + int(0.4 * window)
    while stop - begin > SLACK * window and low < stop - int(0.4 * window):
        high = min(stop - int(0.4 * window), low + int(0.8 * window))
        at = low + int(np.argmin(calm[low:high])) if high > low else low
        if calm[at] < PAUSE * usual:
            runs.append((begin, at))
            begin = at
        low = max(at, low) + int(0.4 * window)
    runs.append((begin, stop))
    return [(a + first, a + last) for a, b in runs for first, last in _windows(b - a, window)]


def _windows(num_frames: int, window: int) -> list[tuple[int, int]]:
    if num_frames <= SLACK * window:
        return [(0, num_frames)]
    return window_spans(num_frames, window, min(OVERLAP, window // 3))
