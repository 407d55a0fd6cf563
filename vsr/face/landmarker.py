"""The face landmarker of the mediapipe Tasks interface, whose models are files of their own.

It takes the place of `vsr.face.detector.MediaPipeMesh` where mediapipe 1.x is installed, which has no other.

Shapes: frame (H, W, 3) uint8 RGB; faces as in `vsr.face.faces`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.quiet import quiet_stderr
from vsr.face.faces import MAX_FACES, Face, distinct, face_of


class TasksMesh:
    """Face landmarker of the mediapipe Tasks interface (1.x has no other), from a `.task` model file given by path."""

    def __init__(self, model: str | Path, max_faces: int = MAX_FACES):
        if not Path(model).is_file():
            raise VsrError("bad_model", f"{model}: no such face landmarker file (.task)")
        self._model, self._max_faces = str(model), max_faces
        self._landmarker, self._count = None, 0
        self.reset()

    def reset(self) -> None:
        """Forget the video before: time stamps start again, which needs a new landmarker."""
        if self._landmarker is not None:
            if self._count == 0:
                return
            self._landmarker.close()
        self._landmarker, self._count = self._opened(), 0

    def _opened(self):
        """A landmarker from the model file. Raises VsrError bad_model."""
        import mediapipe as mp

        vision = mp.tasks.vision
        options = vision.FaceLandmarkerOptions(
            base_options=mp.tasks.BaseOptions(model_asset_path=self._model),
            running_mode=vision.RunningMode.VIDEO,
            num_faces=self._max_faces,
        )
        with quiet_stderr():
            try:
                return vision.FaceLandmarker.create_from_options(options)
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
        return distinct([face_of(mesh * np.float32(frame.shape[1::-1])) for mesh in meshes])
