"""Face detection in a frame, with tracking from the previous frame.

`MediaPipeMesh` is the default detector, unless the environment names another (`vsr.face.landmarker`).

Shapes: frame (H, W, 3) uint8 RGB; faces as in `vsr.face.faces`.
"""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np

from vsr.core.clock import FPS
from vsr.face.faces import (
    MAX_FACES,
    MAX_STEP,
    Face,
    distance_between,
    distinct,
    face_of,
    is_among,
    is_same_face,
    middle,
)
from vsr.face.landmarker import TasksMesh, landmarker_file
from vsr.face.mediapipe_graphs import Detection, Region
from vsr.face.networks import NETWORKS
from vsr.face.surroundings import Surroundings

SMALL_FACE = 0.16  # of the frame's shorter side
SEARCH_WITHIN = (2, 8)  # frames until other faces are searched for, if the frame changes and if it does not


class Detector(Protocol):
    """Finds faces. A detector may keep the previous frame for speed, so each video needs its own; `reset` begins
    another video."""

    def detect(self, frame: np.ndarray) -> list[Face]: ...

    def reset(self) -> None: ...


def default_detector() -> Detector:
    """A detector for one video; cheap, since the networks are loaded once and shared by all threads.

    It is a `TasksMesh` if `vsr.face.landmarker.landmarker_file` names a model file.
    Raises VsrError: missing_package, bad_model, forked.
    """
    model = landmarker_file()
    return TasksMesh(model) if model else MediaPipeMesh()


class MediaPipeMesh:
    """The face mesh of mediapipe 0.10.21 and older, whose wheel contains the models.

    Known faces are tracked: the mesh is fitted in the region of the previous frame. A short-range detector searches for
    further faces when one is lost or none is known, when the frame changes outside the faces, and every eighth time.
    New faces (possibly false positives) and small ones (which the mesh loses in motion) are confirmed by a full-range
    detector; the mesh of faces that only this one sees is fitted in an enlarged part of the frame.
    """

    def __init__(self, max_faces: int = MAX_FACES):
        NETWORKS.ready()
        self._max_faces, self._turn = max_faces, threading.Lock()
        self.reset()

    def fresh(self) -> MediaPipeMesh:
        """A detector for another video, so that both can be read at the same time."""
        return MediaPipeMesh(self._max_faces)

    def reset(self) -> None:
        """Forget the faces of the previous video."""
        self._known: list[Face] = []
        self._unseen = FPS  # frames since a face was seen
        self._looks = 0  # frames since the last search for other faces
        self._surroundings = Surroundings()

    def detect(self, frame: np.ndarray) -> list[Face]:
        """Faces of one frame (H, W, 3) uint8 RGB, the largest first. Raises VsrError forked."""
        with NETWORKS.borrow() as networks, self._turn:
            self._networks = networks
            return self._faces(frame)

    def _faces(self, frame: np.ndarray) -> list[Face]:
        faces = distinct([face for old in self._known if (face := self._tracked(frame, old))])
        new_faces = self._new_faces(frame, faces) if self._search_due(frame, faces) else []
        if new_faces or not faces or not all(_is_large(face, frame) for face in faces):
            faces = distinct(self._confirmed(frame, faces, new_faces))
        self._known = faces[: self._max_faces]
        self._unseen = 0 if self._known else self._unseen + 1
        return self._known

    def _tracked(self, frame: np.ndarray, old: Face) -> Face | None:
        """A known face at its new position; None if it is lost."""
        face = self._fit_mesh(frame, old.region)
        return face if face and distance_between(face, old) < MAX_STEP else None

    def _fit_mesh(self, frame: np.ndarray, region: Region, score: float = 1.0) -> Face | None:
        mesh = self._networks.mesh.fit(frame, region)
        return None if mesh is None else face_of(mesh, score)

    def _search_due(self, frame: np.ndarray, followed: list[Face]) -> bool:
        """Whether to search for faces other than those that are tracked."""
        self._looks += 1
        soonest, latest = SEARCH_WITHIN
        lost = not followed or len(followed) < len(self._known)
        changed = self._looks >= soonest and self._surroundings.has_changed(frame, [face.box for face in followed])
        if not lost and not changed and self._looks < latest:
            return False
        self._surroundings.remember(frame)
        self._looks = 0
        return len(followed) < self._max_faces

    def _new_faces(self, frame: np.ndarray, followed: list[Face]) -> list[Face]:
        """Faces that the short-range detector finds besides those that are tracked."""
        fresh = [seen for seen in self._networks.near.find(frame) if seen.score >= 0.5 and not is_among(seen, followed)]
        return [face for seen in fresh if (face := self._fit_mesh(frame, seen.region, seen.score))]

    def _confirmed(self, frame: np.ndarray, followed: list[Face], new_faces: list[Face]) -> list[Face]:
        """Large tracked faces, others that the full-range detector confirms, and faces that only this detector finds.

        If it finds none, new faces count only if there was no face within the last second.
        """
        boxes = self._networks.far.find(frame)[: self._max_faces]
        confirmed = [face for face in followed + new_faces if any(is_same_face(seen, face) for seen in boxes)]
        others = [seen for seen in boxes if not any(is_same_face(seen, face) for face in confirmed)]
        looked = [face for seen in others for face in self._enlarged(frame, seen)]
        if not confirmed and not looked:
            return followed if self._known or self._unseen < FPS else new_faces
        return [face for face in followed if _is_large(face, frame)] + confirmed + looked

    def _enlarged(self, frame: np.ndarray, detection: Detection) -> list[Face]:
        """Faces in an enlarged part of the frame around a detected one."""
        cut, scale, corner = _enlarged(frame, detection.box)
        if cut is None:
            return []
        faces = [self._fit_mesh(cut, nearer.region) for nearer in self._networks.near.find(cut)[:1]]
        return [_moved(face, scale, corner, detection.score) for face in faces if face]


def _is_large(face: Face, frame: np.ndarray) -> bool:
    return face.size >= SMALL_FACE * min(frame.shape[:2])


def _enlarged(frame: np.ndarray, box: tuple) -> tuple[np.ndarray | None, float, tuple[int, int]]:
    """(square part of 2.5 face sizes at >= 256 pixels, scale, its corner in the frame); None for a box outside."""
    import cv2

    height, width = frame.shape[:2]
    centre_x, centre_y = middle(box)
    half = 1.25 * max(box[2] - box[0], box[3] - box[1])
    x0, y0 = max(0, int(centre_x - half)), max(0, int(centre_y - half))
    x1, y1 = min(width, int(centre_x + half) + 1), min(height, int(centre_y + half) + 1)
    if x1 - x0 < 8 or y1 - y0 < 8:
        return None, 1.0, (0, 0)
    scale = max(1.0, 256 / max(x1 - x0, y1 - y0))
    size = (round((x1 - x0) * scale), round((y1 - y0) * scale))
    return cv2.resize(frame[y0:y1, x0:x1], size, interpolation=cv2.INTER_CUBIC), scale, (x0, y0)


def _moved(face: Face, scale: float, corner: tuple[int, int], score: float) -> Face:
    """Convert a face in an enlarged part to pixels of the whole frame."""
    points = face.points / np.float32(scale) + np.float32(corner)
    left, top, right, bottom = (value / scale + corner[i % 2] for i, value in enumerate(face.box))
    return Face(points, (left, top, right, bottom), float(score))
