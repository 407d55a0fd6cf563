"""What a face in a frame is, and when two sightings are of the same one.

Shapes: points (37, 2) float32 pixels (x, y): the inner face in the order 31..67 of the 68-point convention, which is
nose 0-4, right eye 5-10, left eye 11-16, mouth 17-36. Right and left are the person's own. Landmarks of another tool in
the 68-point order serve as `points[31:]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vsr.face.mediapipe_graphs import INNER, LEFT_EYE, RIGHT_EYE, Detection, Region

NUM_POINTS = len(INNER)
MAX_FACES = 10  # that are followed at a time
MAX_STEP = 0.7  # face sizes a face may move between two sightings and still be the same person
SAME_PLACE = 0.5  # face sizes within which two faces of one frame are the same one


@dataclass(frozen=True)
class Face:
    """One face in one frame. points (37, 2) float32 pixels; box (x0, y0, x1, y1) pixels; score in [0, 1]."""

    points: np.ndarray
    box: tuple[float, float, float, float]
    score: float

    @property
    def size(self) -> float:
        """Side of the square with the area of the box, in pixels."""
        x0, y0, x1, y1 = self.box
        return float(np.sqrt(max(x1 - x0, 1e-6) * max(y1 - y0, 1e-6)))

    @property
    def region(self) -> Region:
        """Where to look for it in the next frame."""
        return Region.around(self.box, self.points[RIGHT_EYE], self.points[LEFT_EYE])


def face_of(mesh: np.ndarray, score: float = 1.0) -> Face:
    """A Face from its mesh (468, 2)."""
    (x0, y0), (x1, y1) = mesh.min(axis=0).tolist(), mesh.max(axis=0).tolist()
    return Face(mesh[list(INNER)], (x0, y0, x1, y1), score)


def distance_between(face: Face, other: Face) -> float:
    """Mean distance of the points of two faces, in sizes of the larger."""
    return float(np.linalg.norm(face.points - other.points, axis=1).mean()) / max(face.size, other.size)


def distinct(faces: Sequence[Face]) -> list[Face]:
    """Largest first, without later copies of the same face (two trackers can run onto one)."""
    kept: list[Face] = []
    for face in faces:
        if all(distance_between(face, other) > SAME_PLACE for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda face: -face.size)


def is_among(detection: Detection, faces: Sequence[Face]) -> bool:
    """Whether the middle of what a detector saw lies in the box of one of the faces."""
    return any(is_inside(middle(detection.box), face.box) for face in faces)


def is_inside(point: np.ndarray, box: tuple[float, float, float, float]) -> bool:
    """Whether a point (2,) lies in a box (x0, y0, x1, y1)."""
    return bool(box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3])


def detection_of(face: Face) -> Detection:
    """A face as a detector would report it."""
    return Detection(face.box, face.score, face.region)


def is_same_face(detection: Detection, face: Face) -> bool:
    """Whether what a detector saw is this face: of its size, and in its place."""
    x0, y0, x1, y1 = detection.box
    size = max(x1 - x0, y1 - y0)
    way = float(np.linalg.norm(middle(detection.box) - middle(face.box)))
    return 0.7 < size / face.size < 1.4 and way < 0.3 * min(size, face.size)


def middle(box: tuple[float, float, float, float]) -> np.ndarray:
    """(2,) the middle of a box (x0, y0, x1, y1)."""
    return np.array([box[0] + box[2], box[1] + box[3]]) / 2
