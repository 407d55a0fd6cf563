"""A frame whose face is turned aside: its mesh is turned about the head's vertical axis and painted again.

The mesh (468 points with depth, relative to the face's width) is MediaPipe's; triangles between it and the frame's
border carry the surroundings along. What the camera did not see stays unseen: a far cheek is squeezed and a near one
stretched, so this measures how a reader bears a turned mouth, not what a second camera would show.

Shapes: frame (H, W, 3) uint8 RGB; points (N, 3) float pixels, depth growing away from the camera.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import Delaunay

from vsr.core.quiet import quiet_stderr
from vsr.face.mediapipe_graph import solutions

AXIS = 0.5  # of the face's width: how far behind its middle the axis of the turn lies
BORDER = 8  # points along each side of the frame that stay where they are


class Turner:
    """Turns the face of each frame of one video by ``degrees``; positive: towards the image's right."""

    def __init__(self, degrees: float):
        self.angle = np.deg2rad(degrees)
        with quiet_stderr():
            self.mesh = solutions().face_mesh.FaceMesh(max_num_faces=1)
        self.triangles: np.ndarray | None = None

    def __call__(self, frame: np.ndarray) -> np.ndarray:
        """(H, W, 3); a frame without a face as it is."""
        with quiet_stderr():
            found = self.mesh.process(frame).multi_face_landmarks
        if not found:
            return frame
        height, width = frame.shape[:2]
        face = np.array([[p.x * width, p.y * height, p.z * width] for p in found[0].landmark])
        source = np.concatenate([face, border(width, height)])
        target = np.concatenate([turned(face, self.angle), border(width, height)])
        if self.triangles is None:
            self.triangles = Delaunay(source[:, :2]).simplices
        return repainted(frame, source[:, :2], target, self.triangles)


def border(width: int, height: int) -> np.ndarray:
    """(4 * BORDER, 3) points round the frame, far away."""
    steps = np.arange(BORDER) / BORDER
    right, bottom = width - 1.0, height - 1.0
    sides = [(steps * right, 0 * steps), (right + 0 * steps, steps * bottom),
             (right - steps * right, bottom + 0 * steps), (0 * steps, bottom - steps * bottom)]  # fmt: skip
    places = np.concatenate([np.stack(side, axis=1) for side in sides])
    return np.column_stack([places, np.full(len(places), 1e4)])


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    """(N, 3) turned about a vertical axis behind the face's middle."""
    wide = np.ptp(points[:, 0])
    axis = np.array([points[:, 0].mean(), points[:, 2].mean() + AXIS * wide])
    x, z = (points[:, [0, 2]] - axis).T
    # what is nearer than the axis has a negative z and moves to the right for a positive angle
    return np.column_stack([axis[0] + x * np.cos(angle) - z * np.sin(angle), points[:, 1],
                            axis[1] + x * np.sin(angle) + z * np.cos(angle)])  # fmt: skip


def repainted(frame: np.ndarray, source: np.ndarray, target: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(H, W, 3): each triangle of ``source`` (N, 2) drawn at ``target`` (N, 3), far ones first, backs never."""
    height, width = frame.shape[:2]
    place = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).astype(np.float32)
    for corners in triangles[np.argsort(-target[triangles, 2].mean(axis=1))]:
        old, new = source[corners], target[corners, :2]
        if _area(old) * _area(new) > 0:
            _draw(place, old, new)
    return cv2.remap(frame, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _area(corners: np.ndarray) -> float:
    (ax, ay), (bx, by), (cx, cy) = corners
    return float((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))


def _draw(place: np.ndarray, old: np.ndarray, new: np.ndarray) -> None:
    """Where the pixels of the triangle ``new`` come from, written into ``place`` (H, W, 2)."""
    height, width = place.shape[:2]
    low = np.maximum(np.floor(new.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(new.max(axis=0)).astype(int) + 1, [width, height])
    if (low >= high).any():
        return
    x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    pixels = np.stack([x, y, np.ones_like(x)], axis=-1)
    shares = pixels @ np.linalg.inv(np.column_stack([new, np.ones(3)]))
    inside = (shares >= -1e-6).all(axis=-1)
    place[low[1] : high[1], low[0] : high[0]][inside] = (shares @ old)[inside]
