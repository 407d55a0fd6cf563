"""Where the faces are in a frame, found again or followed from the frame before.

`MediaPipeMesh` is the detector that everything uses unless the environment names another (`vsr.face.landmarker`).

Shapes: frame (H, W, 3) uint8 RGB; faces as in `vsr.face.faces`.
"""

from __future__ import annotations

import threading
from typing import Protocol

import numpy as np

from vsr.core.clock import FPS
from vsr.face.faces import MAX_FACES, MAX_STEP, Face, distinct, face_of, is_among, middle, same_face, way_between
from vsr.face.landmarker import TasksMesh, landmarker_file
from vsr.face.mediapipe_graphs import Region, Seen
from vsr.face.networks import NETWORKS
from vsr.face.surroundings import Surroundings

SMALL_FACE = 0.16  # of the frame's shorter side
SEARCH_WITHIN = (2, 8)  # looks at known faces until others are looked for: if the frame changes, and if not


class Detector(Protocol):
    """Finds faces. May remember the frame before to be fast, so each video that is being read needs one of its own;
    `reset` says that another video begins."""

    def detect(self, frame: np.ndarray) -> list[Face]: ...

    def reset(self) -> None: ...


def default_detector() -> Detector:
    """A detector for one video. It is made in no time, since the networks are loaded once and shared by all threads.

    `TasksMesh` takes the place of the usual one where `vsr.face.landmarker.landmarker_file` names a file for it.
    Raises VsrError: missing_package, bad_model, forked.
    """
    model = landmarker_file()
    return TasksMesh(model) if model else MediaPipeMesh()


class MediaPipeMesh:
    """The face mesh of mediapipe 0.10.21 and older, whose models are inside the wheel.

    A face that is known is followed: the mesh is laid on the region where it was. Where somebody is lost or nobody
    known, where the frame changes beside the faces, and every eighth time, a short-range detector looks for
    others. A new face (which may be a false positive) and a small one (which the mesh loses in motion) are confirmed by
    a full-range detector, which also sees faces that the other does not: on those the mesh is laid in an enlarged cut.
    """

    def __init__(self, max_faces: int = MAX_FACES):
        NETWORKS.ready()
        self._max_faces, self._turn = max_faces, threading.Lock()
        self.reset()

    def fresh(self) -> MediaPipeMesh:
        """The same for another video, so that both can be read at once."""
        return MediaPipeMesh(self._max_faces)

    def reset(self) -> None:
        """Forget the faces of the video before, so that a result depends on its own video only."""
        self._known: list[Face] = []
        self._unseen = FPS  # frames since somebody was seen
        self._looks = 0  # since others were looked for
        self._surroundings = Surroundings()

    def detect(self, frame: np.ndarray) -> list[Face]:
        """Faces of one frame (H, W, 3) uint8 RGB, the largest first. Raises VsrError forked."""
        with NETWORKS.lent() as networks, self._turn:
            self._networks = networks
            return self._faces(frame)

    def _faces(self, frame: np.ndarray) -> list[Face]:
        faces = distinct([face for old in self._known if (face := self._again(frame, old))])
        new_faces = self._new_faces(frame, faces) if self._search_due(frame, faces) else []
        if new_faces or not faces or not all(_is_large(face, frame) for face in faces):
            faces = distinct(self._confirmed(frame, faces, new_faces))
        self._known = faces[: self._max_faces]
        self._unseen = 0 if self._known else self._unseen + 1
        return self._known

    def _again(self, frame: np.ndarray, old: Face) -> Face | None:
        """A known face where it is now."""
        face = self._laid(frame, old.region)
        return face if face and way_between(face, old) < MAX_STEP else None

    def _laid(self, frame: np.ndarray, region: Region, score: float = 1.0) -> Face | None:
        mesh = self._networks.mesh.lay(frame, region)
        return None if mesh is None else face_of(mesh, score)

    def _search_due(self, frame: np.ndarray, followed: list[Face]) -> bool:
        """Whether to look for others than those who are followed."""
        self._looks += 1
        soonest, latest = SEARCH_WITHIN
        lost = not followed or len(followed) < len(self._known)
        changed = self._looks >= soonest and self._surroundings.changed(frame, [face.box for face in followed])
        if not lost and not changed and self._looks < latest:
            return False
        self._surroundings.searched(frame)
        self._looks = 0
        return len(followed) < self._max_faces

    def _new_faces(self, frame: np.ndarray, followed: list[Face]) -> list[Face]:
        """Faces that the short-range detector sees beside those who are followed."""
        fresh = [seen for seen in self._networks.near.find(frame) if seen.score >= 0.5 and not is_among(seen, followed)]
        return [face for seen in fresh if (face := self._laid(frame, seen.region, seen.score))]

    def _confirmed(self, frame: np.ndarray, followed: list[Face], new_faces: list[Face]) -> list[Face]:
        """Large faces that are followed, others as far as the full-range detector bears them out, and its own.

        Where that detector sees nobody, a new face counts only if nobody was there in the last second either.
        """
        boxes = self._networks.far.find(frame)[: self._max_faces]
        confirmed = [face for face in followed + new_faces if any(same_face(seen, face) for seen in boxes)]
        others = [seen for seen in boxes if not any(same_face(seen, face) for face in confirmed)]
        looked = [face for seen in others for face in self._enlarged(frame, seen)]
        if not confirmed and not looked:
            return followed if self._known or self._unseen < FPS else new_faces
        return [face for face in followed if _is_large(face, frame)] + confirmed + looked

    def _enlarged(self, frame: np.ndarray, seen: Seen) -> list[Face]:
        """Faces in an enlarged cut round one that was seen."""
        cut, scale, corner = _enlarged(frame, seen.box)
        if cut is None:
            return []
        found = [self._laid(cut, nearer.region) for nearer in self._networks.near.find(cut)[:1]]
        return [_moved(face, scale, corner, seen.score) for face in found if face]


def _is_large(face: Face, frame: np.ndarray) -> bool:
    return face.size >= SMALL_FACE * min(frame.shape[:2])


def _enlarged(frame: np.ndarray, box: tuple) -> tuple[np.ndarray | None, float, tuple[int, int]]:
    """(square cut of 2.5 faces at >= 256 pixels, scale, its corner in the frame); None for a box outside."""
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
    """A face of an enlarged cut, in the pixels of the whole frame."""
    points = face.points / np.float32(scale) + np.float32(corner)
    left, top, right, bottom = (value / scale + corner[i % 2] for i, value in enumerate(face.box))
    return Face(points, (left, top, right, bottom), float(score))
