"""Second station: where the faces are in a picture.

Shapes: frame (H, W, 3) uint8 RGB; points (37, 2) float32 pixels (x, y) in that frame: the inner face in the order
31..67 of the 68-point convention, which is nose 0-4, right eye 5-10, left eye 11-16, mouth 17-36. Right and left are
the person's own. Landmarks of another tool in the 68-point order serve as `points[31:]`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from vsr.clock import FPS
from vsr.errors import VsrError

NUM_POINTS = 37
# Vertices of the 468-point mesh of MediaPipe nearest to points 31..67 of the 68-point convention.
MESH_POINTS = (
    *(98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144),
    *(362, 385, 387, 263, 373, 380),
    *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),
    *(78, 81, 13, 311, 308, 402, 14, 178),
)
BLANK = np.zeros((64, 64, 3), np.uint8)
MAX_FACES = 4
SMALL_FACE = 0.16  # of the picture's shorter side
FULL_LOOK = 8  # looks at a face that is alone, after which it is seen whether it still is
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


class Detector(Protocol):
    """Finds faces. May remember the frame before to be fast: `reset` says that another video begins."""

    def detect(self, frame: np.ndarray) -> list[Face]: ...

    def reset(self) -> None: ...


class MediaPipeMesh:
    """Face mesh of mediapipe 0.10.21 and older, whose models are inside the wheel.

    The mesh follows known faces from frame to frame and looks for new ones with a short-range detector. A frame in
    which it sees nobody, a newcomer (which may be a phantom) or a small face (which it loses in motion) gets a second
    look: the full-range detector says where faces are and the mesh is laid anew on an enlarged cut of each. A large
    face that is alone is followed by a mesh that looks for no other, and every eighth time it is seen whether it still
    is alone: that takes two thirds of the time.
    """

    def __init__(self, max_faces: int = MAX_FACES):
        solutions = _mediapipe_solutions()
        with _quiet_stderr():
            # At 0.5 the mesh slides off a face in motion and takes the neck for one; at 0.7 it lets go and looks anew.
            self._mesh = solutions.face_mesh.FaceMesh(max_num_faces=max_faces, min_tracking_confidence=0.7)
            self._still = solutions.face_mesh.FaceMesh(
                static_image_mode=True, max_num_faces=1, min_detection_confidence=0.3
            )
            self._single = solutions.face_mesh.FaceMesh(max_num_faces=1, min_tracking_confidence=0.7)
            self._near = solutions.face_detection.FaceDetection(model_selection=0, min_detection_confidence=0.5)
            self._far = solutions.face_detection.FaceDetection(model_selection=1, min_detection_confidence=0.5)
            for graph in (self._mesh, self._still, self._single, self._near, self._far):
                graph.process(BLANK)  # graphs log to stderr until their first frame is through
        self._max_faces, self._warm = max_faces, set()
        self._alone = 0  # looks since one face was followed by itself; 0 while all are looked for
        self._known: list[Face] = []
        self._unseen = FPS  # frames since somebody was seen

    def reset(self) -> None:
        """Forget the faces of the video before, so that a result depends on its own video only.

        A picture without a face does that in 2 ms; the graph's own reset builds it anew and logs to stderr.
        """
        self._mesh.process(BLANK)
        self._known, self._unseen, self._alone = [], FPS, 0

    def detect(self, frame: np.ndarray) -> list[Face]:
        """Faces of one frame (H, W, 3) uint8 RGB, the largest first."""
        known = self._followed(frame)
        if known is None:
            if self._alone:
                self._mesh.process(BLANK)  # it has not seen the frames before
            self._alone = 0
            known = _distinct(self._confirmed(self._laid(self._mesh, frame), frame))
        self._known = known
        self._unseen = 0 if self._known else self._unseen + 1
        return self._known

    def _laid(self, mesh, frame: np.ndarray) -> list[Face]:
        with nullcontext() if mesh in self._warm else _quiet_stderr():  # the landmark model logs at its first face
            faces = _mesh_faces(mesh.process(frame), frame.shape)
        if faces:
            self._warm.add(mesh)
        return faces

    def _followed(self, frame: np.ndarray) -> list[Face] | None:
        """The one face that was there before, if it is large and nobody else has come; None otherwise."""
        if len(self._known) != 1 or self._known[0].size < SMALL_FACE * min(frame.shape[:2]):
            return None
        if self._alone % FULL_LOOK == FULL_LOOK - 1 and self._another(frame):
            return None
        if self._alone == 0:
            self._single.process(BLANK)
        self._alone += 1
        faces = self._laid(self._single, frame)
        return faces if faces and way_between(faces[0], self._known[0]) < MAX_STEP else None

    def _another(self, frame: np.ndarray) -> bool:
        """Whether the short-range detector sees a face beside the one that is known."""
        x0, y0, x1, y1 = self._known[0].box
        for detection in self._near.process(frame).detections or []:
            box = detection.location_data.relative_bounding_box
            x, y = (box.xmin + box.width / 2) * frame.shape[1], (box.ymin + box.height / 2) * frame.shape[0]
            if not (x0 <= x <= x1 and y0 <= y <= y1):
                return True
        return False

    def _confirmed(self, faces: list[Face], frame: np.ndarray) -> list[Face]:
        """The mesh's faces, newcomers and small ones only as far as the full-range detector bears them out.

        Where that detector sees nobody, a newcomer counts only if nobody was there in the last second either.
        """
        small = SMALL_FACE * min(frame.shape[:2])
        known = [face for face in faces if any(way_between(face, old) < MAX_STEP for old in self._known)]
        large = [face for face in known if face.size >= small]
        if faces and len(large) == len(faces):
            return faces
        with _quiet_stderr():
            looked = self._second_look(frame)
        if looked:
            return large + [face for face in faces if any(way_between(face, other) < 0.3 for other in looked)] + looked
        return known if self._known or self._unseen < FPS else faces

    def _second_look(self, frame: np.ndarray) -> list[Face]:
        """Full-range detection, then the mesh on an enlarged cut round each face found."""
        detections = self._far.process(frame).detections or []
        faces = []
        for detection in detections[: self._max_faces]:
            box = detection.location_data.relative_bounding_box
            cut, scale, corner = _enlarged(frame, box)
            if cut is not None:
                found = _mesh_faces(self._still.process(cut), cut.shape)
                faces += [_moved(face, scale, corner, detection.score[0]) for face in found]
        return faces


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
        with _quiet_stderr():
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
        return _distinct([_face(landmarks, frame.shape) for landmarks in result.face_landmarks])


def _face(landmarks, shape: tuple[int, ...], score: float = 1.0) -> Face:
    """A Face from normalised mesh landmarks of an image of `shape`."""
    height, width = shape[:2]
    mesh = np.array([(p.x, p.y) for p in landmarks], np.float32) * np.float32([width, height])
    (x0, y0), (x1, y1) = mesh.min(axis=0), mesh.max(axis=0)
    return Face(mesh[list(MESH_POINTS)], (float(x0), float(y0), float(x1), float(y1)), float(score))


def way_between(face: Face, other: Face) -> float:
    """Mean distance of the points of two faces, in sizes of the larger."""
    return float(np.linalg.norm(face.points - other.points, axis=1).mean()) / max(face.size, other.size)


def _mesh_faces(result, shape: tuple[int, ...]) -> list[Face]:
    return [_face(found.landmark, shape) for found in result.multi_face_landmarks or []]


def _distinct(faces: list[Face]) -> list[Face]:
    """Largest first, without later copies of the same face (two trackers can run onto one)."""
    kept: list[Face] = []
    for face in faces:
        if all(way_between(face, other) > 0.5 for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda face: -face.size)


def _enlarged(frame: np.ndarray, box) -> tuple[np.ndarray | None, float, tuple[int, int]]:
    """(square cut of 2.5 faces at >= 256 pixels, scale, its corner in the frame); None for a box outside."""
    import cv2

    height, width = frame.shape[:2]
    centre_x, centre_y = (box.xmin + box.width / 2) * width, (box.ymin + box.height / 2) * height
    half = 1.25 * max(box.width * width, box.height * height)
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


def _mediapipe_solutions():
    """`mediapipe.solutions`, or a VsrError that says what to install instead."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with _quiet_stderr():
            import mediapipe
    except ImportError as error:
        raise VsrError("missing_package", f"finding faces needs mediapipe: {error}") from error
    if not hasattr(mediapipe, "solutions"):
        version = getattr(mediapipe, "__version__", "")
        raise VsrError(
            "missing_package", f"mediapipe {version} has no bundled face mesh: install 0.10.21 or give a .task model"
        )
    return mediapipe.solutions


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Send the process's standard error to nowhere: mediapipe's C++ logs go round every Python logger."""
    with suppress(OSError, ValueError), open(os.devnull, "w", encoding="utf-8") as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
