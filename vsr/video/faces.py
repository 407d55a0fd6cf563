"""Second station: where the faces are in a picture.

Shapes: frame (H, W, 3) uint8 RGB; points (37, 2) float32 pixels (x, y) in that frame: the inner face in the order
31..67 of the 68-point convention, which is nose 0-4, right eye 5-10, left eye 11-16, mouth 17-36. Right and left are
the person's own. Landmarks of another tool in the 68-point order serve as `points[31:]`.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from vsr.clock import FPS
from vsr.errors import VsrError
from vsr.video.graphs import INNER, LEFT_EYE, RIGHT_EYE, FaceBoxes, FaceMesh, Region, Seen, quiet_stderr
from vsr.video.surroundings import Surroundings

NUM_POINTS = len(INNER)
MAX_FACES = 4
SMALL_FACE = 0.16  # of the picture's shorter side
SEARCH_WITHIN = (2, 8)  # looks at known faces until others are looked for: if the picture changes, and if not
MAX_STEP = 0.7  # face sizes a face may move between two sightings and still be the same person


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


class Detector(Protocol):
    """Finds faces. May remember the frame before to be fast: `reset` says that another video begins."""

    def detect(self, frame: np.ndarray) -> list[Face]: ...

    def reset(self) -> None: ...


class MediaPipeMesh:
    """The face mesh of mediapipe 0.10.21 and older, whose models are inside the wheel.

    A face that is known is followed: the mesh is laid on the region where it was. Where somebody is lost or nobody
    known, where the picture changes beside the faces, and every eighth time, a short-range detector looks for
    others. A newcomer (which may be a phantom) and a small face (which the mesh loses in motion) are borne out by a
    full-range detector, which also sees faces that the other does not: on those the mesh is laid in an enlarged cut.
    """

    def __init__(self, max_faces: int = MAX_FACES):
        # At 0.5 the mesh slides off a face in motion and takes the neck for one; at 0.7 it lets go and looks anew.
        self._mesh = FaceMesh(least=0.7)
        self._near, self._far = FaceBoxes("ShortRange", least=0.3), FaceBoxes("FullRange", least=0.5)
        self._max_faces = max_faces
        self.reset()

    def reset(self) -> None:
        """Forget the faces of the video before, so that a result depends on its own video only."""
        self._known: list[Face] = []
        self._unseen = FPS  # frames since somebody was seen
        self._looks = 0  # since others were looked for
        self._surroundings = Surroundings()

    def detect(self, frame: np.ndarray) -> list[Face]:
        """Faces of one frame (H, W, 3) uint8 RGB, the largest first."""
        faces = _distinct([face for old in self._known if (face := self._again(frame, old))])
        newcomers = self._newcomers(frame, faces) if self._search_due(frame, faces) else []
        if newcomers or not faces or not all(_large(face, frame) for face in faces):
            faces = _distinct(self._confirmed(frame, faces, newcomers))
        self._known = faces[: self._max_faces]
        self._unseen = 0 if self._known else self._unseen + 1
        return self._known

    def _again(self, frame: np.ndarray, old: Face) -> Face | None:
        """A known face where it is now."""
        face = self._laid(frame, old.region)
        return face if face and way_between(face, old) < MAX_STEP else None

    def _laid(self, frame: np.ndarray, region: Region, score: float = 1.0) -> Face | None:
        mesh = self._mesh.lay(frame, region)
        return None if mesh is None else _face(mesh, score)

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

    def _newcomers(self, frame: np.ndarray, followed: list[Face]) -> list[Face]:
        """Faces that the short-range detector sees beside those who are followed."""
        fresh = [seen for seen in self._near.find(frame) if seen.score >= 0.5 and not _among(seen, followed)]
        return [face for seen in fresh if (face := self._laid(frame, seen.region, seen.score))]

    def _confirmed(self, frame: np.ndarray, followed: list[Face], newcomers: list[Face]) -> list[Face]:
        """Large faces that are followed, others as far as the full-range detector bears them out, and its own.

        Where that detector sees nobody, a newcomer counts only if nobody was there in the last second either.
        """
        boxes = self._far.find(frame)[: self._max_faces]
        borne = [face for face in followed + newcomers if any(_same_face(seen, face) for seen in boxes)]
        others = [seen for seen in boxes if not any(_same_face(seen, face) for face in borne)]
        looked = [face for seen in others for face in self._enlarged(frame, seen)]
        if not borne and not looked:
            return followed if self._known or self._unseen < FPS else newcomers
        return [face for face in followed if _large(face, frame)] + borne + looked

    def _enlarged(self, frame: np.ndarray, seen: Seen) -> list[Face]:
        """Faces in an enlarged cut round one that was seen."""
        cut, scale, corner = _enlarged(frame, seen.box)
        if cut is None:
            return []
        found = [self._laid(cut, nearer.region) for nearer in self._near.find(cut)[:1]]
        return [_moved(face, scale, corner, seen.score) for face in found if face]


@functools.cache
def default_detector() -> Detector:
    """The detector that this process shares: loading the models takes longer than reading a short clip.

    The environment's VSR_FACE_LANDMARKER names a `.task` file for `TasksMesh`, which then takes the place of the usual.
    """
    model = os.environ.get("VSR_FACE_LANDMARKER")
    return TasksMesh(model) if model else MediaPipeMesh()


class TasksMesh:
    """Face landmarker of the mediapipe Tasks interface (1.x has no other), from a `.task` model file given by path."""

    def __init__(self, model: str | Path, max_faces: int = MAX_FACES):
        if not Path(model).is_file():
            raise VsrError("bad_model", f"{model}: no such face landmarker file (.task)")
        self._options = {"num_faces": max_faces}
        self._model, self._landmarker, self._count = str(model), None, 0
        self.reset()

    def reset(self) -> None:
        """Forget the video before: time stamps start again, which needs a new landmarker."""
        import mediapipe as mp

        vision = mp.tasks.vision
        if self._landmarker is not None:
            if self._count == 0:
                return
            self._landmarker.close()
        options = vision.FaceLandmarkerOptions(
            base_options=mp.tasks.BaseOptions(model_asset_path=self._model),
            running_mode=vision.RunningMode.VIDEO,
            **self._options,
        )
        with quiet_stderr():
            try:
                self._landmarker, self._count = vision.FaceLandmarker.create_from_options(options), 0
            except (RuntimeError, ValueError) as error:
                message = str(error).splitlines()[0]
                raise VsrError("bad_model", f"{self._model}: not a face landmarker ({message})") from error

    def detect(self, frame: np.ndarray) -> list[Face]:
        """Faces of one frame (H, W, 3) uint8 RGB, the largest first."""
        import mediapipe as mp

        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(frame))
        result = self._landmarker.detect_for_video(image, self._count * 1000 // FPS)
        self._count += 1
        meshes = [np.array([(p.x, p.y) for p in landmarks], np.float32) for landmarks in result.face_landmarks]
        return _distinct([_face(mesh * np.float32(frame.shape[1::-1])) for mesh in meshes])


def _face(mesh: np.ndarray, score: float = 1.0) -> Face:
    """A Face from its mesh (468, 2)."""
    (x0, y0), (x1, y1) = mesh.min(axis=0).tolist(), mesh.max(axis=0).tolist()
    return Face(mesh[list(INNER)], (x0, y0, x1, y1), score)


def way_between(face: Face, other: Face) -> float:
    """Mean distance of the points of two faces, in sizes of the larger."""
    return float(np.linalg.norm(face.points - other.points, axis=1).mean()) / max(face.size, other.size)


def _large(face: Face, frame: np.ndarray) -> bool:
    return face.size >= SMALL_FACE * min(frame.shape[:2])


def _middle(box: tuple[float, float, float, float]) -> np.ndarray:
    return np.array([box[0] + box[2], box[1] + box[3]]) / 2


def _among(seen: Seen, faces: list[Face]) -> bool:
    """Whether the middle of what is seen lies in one of the faces."""
    x, y = _middle(seen.box)
    return any(x0 <= x <= x1 and y0 <= y <= y1 for x0, y0, x1, y1 in (face.box for face in faces))


def _same_face(seen: Seen, face: Face) -> bool:
    """Whether what a detector saw is this face: of its size, and in its place."""
    x0, y0, x1, y1 = seen.box
    size = max(x1 - x0, y1 - y0)
    way = float(np.linalg.norm(_middle(seen.box) - _middle(face.box)))
    return 0.7 < size / face.size < 1.4 and way < 0.3 * min(size, face.size)


def _distinct(faces: list[Face]) -> list[Face]:
    """Largest first, without later copies of the same face (two trackers can run onto one)."""
    kept: list[Face] = []
    for face in faces:
        if all(way_between(face, other) > 0.5 for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda face: -face.size)


def _enlarged(frame: np.ndarray, box: tuple) -> tuple[np.ndarray | None, float, tuple[int, int]]:
    """(square cut of 2.5 faces at >= 256 pixels, scale, its corner in the frame); None for a box outside."""
    import cv2

    height, width = frame.shape[:2]
    centre_x, centre_y = _middle(box)
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
    box = tuple(value / scale + corner[i % 2] for i, value in enumerate(face.box))
    return Face(points, box, float(score))
