"""Head yaw from landmarks: a mean 3D face is fitted to them by least squares.

The camera is assumed to be far away (weak perspective), so that a 3D face is projected by a rotation, a scale and a
shift. The rows of the best linear map, made orthogonal, are two axes of the rotation; the third is their cross
product.

Shapes: points (n, 37, 2) float32 pixels, as in `vsr.face.faces`.
"""

from __future__ import annotations

import numpy as np

# Nose, right eye, left eye, mouth (x, y, z): mean of MediaPipe's meshes over 16 frames of 8 GRID speakers and their
# mirror images, in distances between the outer corners of the eyes; z points away from the camera.
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
    """Yaw (n,) in degrees: 0 for a frontal face, positive towards the right of the picture."""
    centred = points - points.mean(axis=1, keepdims=True, dtype=np.float64)
    maps = np.einsum("kp,npi->nik", LAID, centred)  # (n, 2, 3)
    first, second = _right_angles(maps)
    ahead = np.cross(first, second)  # the camera's axis in the coordinates of the face
    return np.degrees(np.arctan2(ahead[:, 0], ahead[:, 2]))


def is_turned(points: np.ndarray, widest: float) -> bool:
    """Whether the median yaw of a head exceeds ``widest`` degrees to either side."""
    return len(points) > 0 and float(np.median(np.abs(yaw(points)))) > widest


def _right_angles(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest orthogonal rows (n, 3) of equal length to those of maps (n, 2, 3).

    This is the polar decomposition, whose matrix square root has a closed form for two rows.
    """
    product = maps @ maps.transpose(0, 2, 1)
    area = np.sqrt(np.maximum(np.linalg.det(product), 1e-12))
    trace = np.trace(product, axis1=1, axis2=2)
    root = (product + area[:, None, None] * np.eye(2)) / np.sqrt(trace + 2 * area)[:, None, None]
    rows = np.linalg.solve(root, maps)
    return rows[:, 0], rows[:, 1]
