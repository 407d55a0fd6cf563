"""Which way a head is turned, by its landmarks alone: a mean face in space, laid on them by least squares.

The camera is taken to be far away (weak perspective): a face in space goes onto the picture by a rotation, a scale and
a shift. The rows of the best linear map, brought to right angles, are two axes of the rotation; the third is their
product.

Shapes: points (n, 37, 2) float32 pixels, as in `vsr.face.faces`.
"""

from __future__ import annotations

import numpy as np

# Nose, right eye, left eye, mouth (x, y, z): the mean of MediaPipe's meshes of 16 frames of 8 people of GRID and of
# their mirror images, in distances between the outer corners of the eyes; z grows away from the camera.
FACE = np.array([
    (-0.182, -0.002, -0.047), (-0.081, 0.015, -0.119), (0.000, 0.014, -0.137), (0.081, 0.015, -0.119),
    (0.182, -0.002, -0.047),
    (-0.500, -0.525, 0.172), (-0.424, -0.572, 0.098), (-0.308, -0.581, 0.078), (-0.194, -0.513, 0.114),
    (-0.295, -0.486, 0.090), (-0.409, -0.486, 0.111),
    (0.194, -0.513, 0.114), (0.308, -0.581, 0.078), (0.424, -0.572, 0.098), (0.500, -0.525, 0.172),
    (0.409, -0.486, 0.111), (0.295, -0.486, 0.090),
    (-0.266, 0.315, 0.068), (-0.209, 0.252, -0.047), (-0.079, 0.187, -0.136), (0.000, 0.200, -0.147),
    (0.079, 0.187, -0.136), (0.209, 0.252, -0.047), (0.266, 0.315, 0.068), (0.209, 0.381, -0.012),
    (0.084, 0.453, -0.071), (0.000, 0.461, -0.075), (-0.084, 0.453, -0.071), (-0.209, 0.381, -0.012),
    (-0.227, 0.304, 0.047), (-0.109, 0.281, -0.052), (0.000, 0.283, -0.085), (0.109, 0.281, -0.052),
    (0.227, 0.304, 0.047), (0.121, 0.328, -0.037), (0.000, 0.337, -0.069), (-0.121, 0.328, -0.037),
])  # fmt: skip
LAID = np.linalg.pinv(FACE - FACE.mean(axis=0))  # (3, 37)


def yaw(points: np.ndarray) -> np.ndarray:
    """(n,) degrees to the side, 0 for a face that looks at the camera; positive: towards the right of the picture."""
    centred = points - points.mean(axis=1, keepdims=True, dtype=np.float64)
    maps = np.einsum("kp,npi->nik", LAID, centred)  # (n, 2, 3)
    first, second = _right_angles(maps)
    ahead = np.cross(first, second)  # the camera's axis in the face's own directions
    return np.degrees(np.arctan2(ahead[:, 0], ahead[:, 2]))


def turned(points: np.ndarray, widest: float) -> bool:
    """Whether a head is turned aside by more than ``widest`` degrees in half of its frames or more."""
    return len(points) > 0 and float(np.median(np.abs(yaw(points)))) > widest


def _right_angles(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows (n, 3) of maps (n, 2, 3), as little changed as lets them have one length and be at right angles: maps
    times the inverse root of their own product, which for two rows has a closed form."""
    product = maps @ maps.transpose(0, 2, 1)
    area = np.sqrt(np.maximum(np.linalg.det(product), 1e-12))
    trace = np.trace(product, axis1=1, axis2=2)
    root = (product + area[:, None, None] * np.eye(2)) / np.sqrt(trace + 2 * area)[:, None, None]
    found = np.linalg.solve(root, maps)
    return found[:, 0], found[:, 1]
