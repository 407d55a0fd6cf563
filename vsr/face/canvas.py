"""One scale for a shot whose resolution changes, as that of calls does: its tracks count in pixels of its first frame.

Frames keep their own pixels, so nothing that a later one resolves is lost. The canvas of a shot is (H, W) of its first
frame; x' = x * ratio leads from the canvas to a frame. Where the two have one size nothing is computed.

Shapes: frame shapes (H, W, ...); points (..., 2) pixels; matrices (2, 3) from pixels to a crop.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vsr.face.faces import Face

Shape = tuple[int, ...]


def ratio(shape: Shape, canvas: Shape | None) -> np.ndarray | None:
    """(2,) float32 pixels of a frame of that shape for one of the canvas, by x, y; None where both are the same."""
    if canvas is None or shape[:2] == canvas[:2]:
        return None
    return np.array([shape[1] / canvas[1], shape[0] / canvas[0]], np.float32)


def faces_on_canvas(faces: list[Face], shape: Shape, canvas: Shape) -> list[Face]:
    """Faces that were found in a frame of that shape, in pixels of the canvas."""
    by = ratio(shape, canvas)
    if by is None:
        return faces
    return [replace(face, points=face.points / by, box=tuple((face.box / np.tile(by, 2)).tolist())) for face in faces]


def points_on_frame(points: np.ndarray, shape: Shape, canvas: Shape | None) -> np.ndarray:
    """Points of the canvas in pixels of a frame of that shape."""
    by = ratio(shape, canvas)
    return points if by is None else points * by


def matrix_on_frame(matrix: np.ndarray, shape: Shape, canvas: Shape | None) -> np.ndarray:
    """The matrix that cuts from a frame of that shape what `matrix` cuts from the canvas."""
    by = ratio(shape, canvas)
    return matrix if by is None else np.column_stack([matrix[:, :2] / by, matrix[:, 2]])
