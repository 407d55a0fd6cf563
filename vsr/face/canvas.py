"""A common coordinate system for a shot whose resolution changes, as in video calls.

The canvas of a shot is the size (H, W) of its first frame, and its tracks are in pixels of the canvas. Frames keep
their own pixels, so that later frames of higher resolution lose nothing; x' = x * ratio converts canvas coordinates to
those of a frame. Nothing is computed where both have the same size.

Shapes: frame shapes (H, W, ...); points (..., 2) pixels; matrices (2, 3) from pixels to a crop.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vsr.face.faces import Face

Shape = tuple[int, ...]


def ratio(shape: Shape, canvas: Shape | None) -> np.ndarray | None:
    """Frame pixels per canvas pixel (2,) float32 in x and y; None where both have the same size."""
    if canvas is None or shape[:2] == canvas[:2]:
        return None
    return np.array([shape[1] / canvas[1], shape[0] / canvas[0]], np.float32)


def faces_on_canvas(faces: list[Face], shape: Shape, canvas: Shape) -> list[Face]:
    """Convert faces found in a frame of this shape to pixels of the canvas."""
    scale = ratio(shape, canvas)
    if scale is None:
        return faces
    return [
        replace(face, points=face.points / scale, box=tuple((face.box / np.tile(scale, 2)).tolist())) for face in faces
    ]


def points_on_frame(points: np.ndarray, shape: Shape, canvas: Shape | None) -> np.ndarray:
    """Convert points on the canvas to pixels of a frame of this shape."""
    scale = ratio(shape, canvas)
    return points if scale is None else points * scale


def matrix_on_frame(matrix: np.ndarray, shape: Shape, canvas: Shape | None) -> np.ndarray:
    """The matrix that crops from a frame of this shape what `matrix` crops from the canvas."""
    scale = ratio(shape, canvas)
    return matrix if scale is None else np.column_stack([matrix[:, :2] / scale, matrix[:, 2]])
