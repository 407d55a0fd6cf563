"""Whether a new face may have appeared: it changes the frame outside the known faces.

Shapes: frame (H, W, 3) uint8 RGB; boxes (x0, y0, x1, y1) pixels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vsr.face.shots import thumbnail_of

CHANGED = 25  # of 255, in any colour channel; noise and light change less
SMALLEST = 0.01  # share of the frame that a face of readable size changes at least
OWN = 0.5  # margin around a known face that is its own hair and neck, in face sizes


class Surroundings:
    """The last frame in which the whole picture was searched for faces."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None

    def has_changed(self, frame: np.ndarray, boxes: Iterable[tuple[float, float, float, float]]) -> bool:
        """Whether enough of the frame outside the boxes differs from the frame that was searched last."""
        import cv2

        if self._before is None:
            return True
        is_changed = cv2.absdiff(thumbnail_of(frame), self._before).max(axis=2) >= CHANGED
        rows, columns = is_changed.shape
        for box in boxes:
            x0, y0, x1, y1 = _widened(box) * np.tile([columns / frame.shape[1], rows / frame.shape[0]], 2)
            is_changed[max(0, int(y0)) : max(0, int(y1) + 1), max(0, int(x0)) : max(0, int(x1) + 1)] = False
        return bool(is_changed.mean() >= SMALLEST)

    def remember(self, frame: np.ndarray) -> None:
        """Remember this frame as searched."""
        self._before = thumbnail_of(frame)


def _widened(box: tuple[float, float, float, float]) -> np.ndarray:
    x0, y0, x1, y1 = box
    across, down = OWN * (x1 - x0), OWN * (y1 - y0)
    return np.array([x0 - across, y0 - down, x1 + across, y1 + down])
