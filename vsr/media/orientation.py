"""How a decoded frame is turned and mirrored to be upright, by its display matrix.

Phones turn frames by quarters; cameras that face their user also mirror them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Orientation(NamedTuple):
    """turns: anticlockwise quarter turns that bring a frame upright; mirrored: whether it is first turned upside down
    like a reflection in water, rows in reverse."""

    turns: int
    mirrored: bool


UPRIGHT = Orientation(0, False)


def orientation_of(frame) -> Orientation:
    """Orientation of a decoded frame."""
    matrix = _display_matrix(frame)
    if matrix is None:
        return UPRIGHT
    return Orientation(round((frame.rotation or 0) / 90) % 4, bool(matrix[0] * matrix[4] < matrix[1] * matrix[3]))


def _display_matrix(frame) -> np.ndarray | None:
    """The matrix (9,) of a frame in fixed point, if it has one."""
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX":
            return np.frombuffer(data, np.int32).astype(float)
    return None


def oriented(image: np.ndarray, orientation: Orientation, axes: tuple[int, int] = (0, 1)) -> np.ndarray:
    """An image upright, contiguous; ``axes``: those of its rows and columns."""
    flipped = np.flip(image, axes[0]) if orientation.mirrored else image
    return np.ascontiguousarray(np.rot90(flipped, orientation.turns, axes))
