"""Whether somebody may have come: a new face changes the frame where no known face is.

Shapes: frame (H, W, 3) uint8 RGB; boxes (x0, y0, x1, y1) pixels.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vsr.face.shots import thumbnail_of

CHANGED = 25  # of 255, in any colour: what noise and light do is less
SMALLEST = 0.01  # share of the frame that changes at least when a face of readable size comes
OWN = 0.5  # sizes of a known face round it that are its own hair and neck


class Surroundings:
    """The frame as it was when faces were looked for in all of it."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None

    def changed(self, frame: np.ndarray, boxes: Iterable[tuple[float, float, float, float]]) -> bool:
        """Whether enough of the frame beside the boxes differs from the one that was searched last."""
        import cv2

        if self._before is None:
            return True
        differs = cv2.absdiff(thumbnail_of(frame), self._before).max(axis=2) >= CHANGED
        rows, columns = differs.shape
        for box in boxes:
            x0, y0, x1, y1 = _widened(box) * np.tile([columns / frame.shape[1], rows / frame.shape[0]], 2)
            differs[max(0, int(y0)) : max(0, int(y1) + 1), max(0, int(x0)) : max(0, int(x1) + 1)] = False
        return bool(differs.mean() >= SMALLEST)

    def searched(self, frame: np.ndarray) -> None:
        """This frame is searched."""
        self._before = thumbnail_of(frame)


def _widened(box: tuple[float, float, float, float]) -> np.ndarray:
    x0, y0, x1, y1 = box
    across, down = OWN * (x1 - x0), OWN * (y1 - y0)
    return np.array([x0 - across, y0 - down, x1 + across, y1 + down])
