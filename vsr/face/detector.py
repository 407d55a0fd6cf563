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
    detection_of,
    distance_between,
    distinct,
    face_of,
    is_among,
    is_same_face,
)
from vsr.face.landmarker import TasksMesh, landmarker_file
from vsr.face.mediapipe_graphs import Detection, Region
from vsr.face.networks import NETWORKS
from vsr.face.small_faces import enlarged, found_in_parts, moved
from vsr.face.surroundings import Surroundings
from vsr.face.upside_down import found_either_way

SMALL_FACE = 0.16  # of the frame's shorter side
SEARCH_WITHIN = (2, 8)  # frames until other faces are searched for, if the frame changes and if it does not
SMALL_WITHIN = 25  # frames until small ones are, with such a search at the earliest; each takes 11 ms
BESIDE = 4  # looks until small faces beside a large one are confirmed, which takes 9 ms and more
SURE = 0.5  # score from which the short-range detector is believed


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
    detector; the mesh of faces that only this one sees is fitted in an enlarged part of the frame. In every shot, and
    later once a second at most, that detector also searches for small faces in parts of the frame.
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
        self._small_looks = SMALL_WITHIN  # and since the last one for small faces
        self._surroundings = Surroundings()

    def detect(self, frame: np.ndarray) -> list[Face]:
        """Faces of one frame (H, W, 3) uint8 RGB, the largest first. Raises VsrError forked."""
        with NETWORKS.borrow() as networks, self._turn:
            self._networks = networks
            return self._faces(frame)

    def _faces(self, frame: np.ndarray) -> list[Face]:
        faces = distinct([face for old in self._known if (face := self._tracked(frame, old))])
        is_due = self._search_due(frame, faces)
        new_faces = self._new_faces(frame, faces) if is_due else []
        is_small_due = self._search_for_small_due(is_due)
        if new_faces or not faces or is_small_due or self._to_be_confirmed(frame, faces):
            faces = distinct(self._confirmed(frame, faces, new_faces, is_small_due))
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

    def _search_for_small_due(self, is_search_due: bool) -> bool:
        """Whether to search for faces that are too small for the detectors in the whole frame."""
        self._small_looks += 1
        if not is_search_due or self._small_looks < SMALL_WITHIN:
            return False
        self._small_looks = 0
        return True

    def _to_be_confirmed(self, frame: np.ndarray, followed: list[Face]) -> bool:
        """Whether any face is small: the mesh may have left it. Beside a large one it is looked at less often."""
        are_large = [_is_large(face, frame) for face in followed]
        return not any(are_large) or (not all(are_large) and self._looks % BESIDE == 0)

    def _new_faces(self, frame: np.ndarray, followed: list[Face]) -> list[Face]:
        """Faces that the short-range detector finds besides those that are tracked."""
        fresh = [
            seen
            for seen in found_either_way(self._networks.near.find, frame)
            if seen.score >= SURE and not is_among(seen, followed)
        ]
        return [face for seen in fresh if (face := self._fit_mesh(frame, seen.region, seen.score))]

    def _confirmed(self, frame: np.ndarray, followed: list[Face], new_faces: list[Face], small: bool) -> list[Face]:
        """Large tracked faces, others that the full-range detector confirms, and faces that only this detector finds;
        ``small``: in parts of the frame. A small tracked face may also be confirmed in an enlarged part around it.

        If it finds none, new faces count only if there was no face within the last second.
        """
        boxes = (found_in_parts(self._networks.far.find, frame) if small else self._networks.far.find(frame))[
            : self._max_faces
        ]
        confirmed = [face for face in followed + new_faces if any(is_same_face(seen, face) for seen in boxes)]
        others = [seen for seen in boxes if not any(is_same_face(seen, face) for face in confirmed)]
        looked = [face for seen in others for face in self._enlarged(frame, seen)]
        large = [face for face in followed if _is_large(face, frame)]
        if not confirmed and not looked:
            return followed if self._known or self._unseen < FPS else new_faces
        unsure = [face for face in followed if not any(face is other for other in [*large, *confirmed])]
        again = [new for face in unsure for new in self._enlarged(frame, detection_of(face), SURE)]
        return large + confirmed + looked + again

    def _enlarged(self, frame: np.ndarray, detection: Detection, least: float = 0.0) -> list[Face]:
        """Faces in an enlarged part of the frame around a detected one, with a score of at least ``least``."""
        cut, scale, corner = enlarged(frame, detection.box)
        if cut is None:
            return []
        found = [nearer for nearer in found_either_way(self._networks.near.find, cut)[:1] if nearer.score >= least]
        faces = [self._fit_mesh(cut, nearer.region) for nearer in found]
        return [moved(face, scale, corner, detection.score) for face in faces if face]


def _is_large(face: Face, frame: np.ndarray) -> bool:
    return face.size >= SMALL_FACE * min(frame.shape[:2])
