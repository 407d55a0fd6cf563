"""Turns a face in a frame sideways: its mesh is rotated about the head's vertical axis and rendered again.

The mesh (468 points with depth, relative to the face's width) is MediaPipe's; triangles between it and the frame's
border warp the surroundings along. What the camera did not see stays unseen: the far cheek is compressed and the near
one stretched, so this measures how a reader copes with a turned mouth, not what a second camera would show.
Shapes: frame (H, W, 3) uint8 RGB; points (N, 3) float pixels, depth growing away from the camera.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import Delaunay

from vsr.core.dependency_logs import quiet_stderr
from vsr.face.mediapipe_graph import solutions

AXIS = 0.5  # relative to the face's width: distance of the rotation axis behind the face's middle
BORDER = 8  # fixed points along each side of the frame


class Turner:
    """Turns the face in each frame of one video by ``degrees``; positive: towards the image's right."""

    def __init__(self, degrees: float):
        self.angle = np.deg2rad(degrees)
        with quiet_stderr():
            self.mesh = solutions().face_mesh.FaceMesh(max_num_faces=1)
        self.triangles: np.ndarray | None = None

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """The turned frame (H, W, 3); a frame without a face is returned unchanged."""
        with quiet_stderr():
            faces = self.mesh.process(frame).multi_face_landmarks
        if not faces:
            return frame
        height, width = frame.shape[:2]
        face = np.array([[p.x * width, p.y * height, p.z * width] for p in faces[0].landmark])
        source = np.concatenate([face, border(width, height)])
        target = np.concatenate([turn_points(face, self.angle), border(width, height)])
        if self.triangles is None:
            self.triangles = Delaunay(source[:, :2]).simplices
        return repaint(frame, source[:, :2], target, self.triangles)


def border(width: int, height: int) -> np.ndarray:
    """(4 * BORDER, 3) points around the frame, far behind the face."""
    steps = np.arange(BORDER) / BORDER
    right, bottom = width - 1.0, height - 1.0
    sides = [(steps * right, 0 * steps), (right + 0 * steps, steps * bottom),
             (right - steps * right, bottom + 0 * steps), (0 * steps, bottom - steps * bottom)]  # fmt: skip
    positions = np.concatenate([np.stack(side, axis=1) for side in sides])
    return np.column_stack([positions, np.full(len(positions), 1e4)])


def turn_points(points: np.ndarray, angle: float) -> np.ndarray:
    """(N, 3) points rotated about a vertical axis behind the face's middle."""
    face_width = np.ptp(points[:, 0])
    axis = np.array([points[:, 0].mean(), points[:, 2].mean() + AXIS * face_width])
    x, z = (points[:, [0, 2]] - axis).T
    # a point nearer than the axis has a negative z and moves to the right for a positive angle
    return np.column_stack([axis[0] + x * np.cos(angle) - z * np.sin(angle), points[:, 1],
                            axis[1] + x * np.sin(angle) + z * np.cos(angle)])  # fmt: skip


def repaint(frame: np.ndarray, source: np.ndarray, target: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Frame (H, W, 3) with each triangle of ``source`` (N, 2) drawn at ``target`` (N, 3), far ones first; back faces
    are skipped."""
    height, width = frame.shape[:2]
    sampling_map = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    for corners in triangles[np.argsort(-target[triangles, 2].mean(axis=1))]:
        old, new = source[corners], target[corners, :2]
        if _area(old) * _area(new) > 0:
            _draw(sampling_map, old, new)
    return cv2.remap(
        frame, sampling_map[..., 0], sampling_map[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _area(corners: np.ndarray) -> float:
    (ax, ay), (bx, by), (cx, cy) = corners
    return float((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))


def _draw(sampling_map: np.ndarray, old: np.ndarray, new: np.ndarray) -> None:
    """Write the source pixels of the triangle ``new`` into ``sampling_map`` (H, W, 2)."""
    height, width = sampling_map.shape[:2]
    low = np.maximum(np.floor(new.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(new.max(axis=0)).astype(int) + 1, [width, height])
    if (low >= high).any():
        return
    x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    pixels = np.stack([x, y, np.ones_like(x)], axis=-1)
    barycentric = pixels @ np.linalg.inv(np.column_stack([new, np.ones(3)]))
    inside = (barycentric >= -1e-6).all(axis=-1)
    sampling_map[low[1] : high[1], low[0] : high[0]][inside] = (barycentric @ old)[inside]
