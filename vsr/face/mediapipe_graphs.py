"""MediaPipe's networks one by one: face detection in a frame, and the face mesh in a region.

MediaPipe's own solutions wrap these networks in graphs that keep the previous frame, detect faces in every frame and
run every step in another thread. Here the networks are stateless and run in the calling thread: the same points for
two thirds of the processor time and half of the elapsed time.

Shapes: frame (H, W, 3) uint8 RGB; mesh (468, 2) float32 pixels (x, y).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vsr.core.dependency_logs import quiet_stderr
from vsr.face.mediapipe_graph import Graph

# Vertices of the 468-point mesh nearest to points 31..67 of the 68-point convention.
INNER = (
    *(98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144),
    *(362, 385, 387, 263, 373, 380),
    *(61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91),
    *(78, 81, 13, 311, 308, 402, 14, 178),
)
RIGHT_EYE, LEFT_EYE = INNER.index(33), INNER.index(263)  # outer corners; the line between them gives the roll
# One landmark in protobuf's encoding: creating an object of each takes a fifth of the network's time.
LANDMARK = np.dtype([("tags", "u1", 3), ("x", "<f4"), ("tag_y", "u1"), ("y", "<f4"), ("tag_z", "u1"), ("z", "<f4")])
BLANK = np.zeros((64, 64, 3), np.uint8)
AROUND = 1.5  # side of a region relative to the longer side of the face's box, as in the mesh's training


@dataclass(frozen=True)
class Region:
    """A rotated square around one face: centre (x, y) and side in pixels, clockwise turn in radians."""

    x: float
    y: float
    side: float
    turn: float

    @classmethod
    def around(cls, box: tuple[float, ...], right_eye, left_eye) -> Region:
        """The region of a face by its box (x0, y0, x1, y1) and a point (x, y) of each eye."""
        x0, y0, x1, y1 = box
        turn = float(np.arctan2(left_eye[1] - right_eye[1], left_eye[0] - right_eye[0]))
        return cls((x0 + x1) / 2, (y0 + y1) / 2, AROUND * max(x1 - x0, y1 - y0), turn)


@dataclass(frozen=True)
class Detection:
    """A detected face: box (x0, y0, x1, y1) pixels, score in [0, 1], region for the mesh."""

    box: tuple[float, float, float, float]
    score: float
    region: Region


class FaceBoxes:
    """Detects faces in a frame, with the detector for near faces ("ShortRange") or far ones ("FullRange")."""

    def __init__(self, reach: str, least: float):
        name = f"facedetection{reach.lower()}"
        score = f"{name}cpu__{name}__facedetection__TensorsToDetectionsCalculator.min_score_thresh"
        self._graph = Graph(
            f'node {{ calculator: "FaceDetection{reach}Cpu" input_stream: "IMAGE:image" '
            'output_stream: "DETECTIONS:out" }',
            ["image"], "get_proto_list", {score: least},
        )  # fmt: skip
        with quiet_stderr():  # graphs log until their first frame is through
            self._graph.process(image=BLANK)

    def find(self, frame: np.ndarray) -> list[Detection]:
        """Faces of a frame, by descending score."""
        height, width = frame.shape[:2]
        faces = []
        for detection in self._graph.process(image=np.ascontiguousarray(frame)) or []:
            place = detection.location_data
            box = place.relative_bounding_box
            x0, y0 = box.xmin * width, box.ymin * height
            eyes = [(eye.x * width, eye.y * height) for eye in place.relative_keypoints[:2]]
            corners = (x0, y0, x0 + box.width * width, y0 + box.height * height)
            faces.append(Detection(corners, float(detection.score[0]), Region.around(corners, *eyes)))
        return faces


class FaceMesh:
    """The mesh of the face in a region; with ``attention`` (478, 2), which refines lips and eyes."""

    def __init__(self, least: float, attention: bool = False):
        self._graph = Graph(
            'input_side_packet: "with_attention" node { calculator: "FaceLandmarkCpu" input_stream: "IMAGE:image" '
            'input_stream: "ROI:region" input_side_packet: "WITH_ATTENTION:with_attention" '
            'output_stream: "LANDMARKS:out" }',
            ["image", "region"], "get_proto", {"facelandmarkcpu__ThresholdingCalculator.threshold": least},
            with_attention=attention,
        )  # fmt: skip
        with quiet_stderr():
            self.fit(BLANK, Region(32, 32, 64, 0.0))

    def fit(self, frame: np.ndarray, region: Region) -> np.ndarray | None:
        """The mesh (468, 2) in pixels of the frame; None if the network is not sure that the region shows a face."""
        from mediapipe.framework.formats.rect_pb2 import NormalizedRect

        window, (x0, y0) = _window(frame, region)
        if min(window.shape[:2]) < 2:
            return None
        height, width = window.shape[:2]
        rectangle = NormalizedRect(
            x_center=(region.x - x0) / width, y_center=(region.y - y0) / height,
            width=region.side / width, height=region.side / height, rotation=region.turn,
        )  # fmt: skip
        landmarks = self._graph.process(image=window, region=rectangle)
        return None if landmarks is None else mesh_of(landmarks, window.shape) + np.float32([x0, y0])


def mesh_of(landmarks, shape: tuple[int, ...]) -> np.ndarray:
    """Mesh (468, 2) float32 pixels from a NormalizedLandmarkList, for a frame of `shape` (H, W, ...)."""
    values = np.frombuffer(landmarks.SerializeToString(), LANDMARK)
    return np.stack([values["x"], values["y"]], axis=1) * np.float32([shape[1], shape[0]])


def _window(frame: np.ndarray, region: Region) -> tuple[np.ndarray, tuple[int, int]]:
    """The part of the frame that contains the rotated region, and its corner: less to copy into the graph."""
    height, width = frame.shape[:2]
    half = 0.71 * region.side + 2
    x0, y0 = max(0, int(region.x - half)), max(0, int(region.y - half))
    x1, y1 = min(width, int(region.x + half) + 1), min(height, int(region.y + half) + 1)
    return np.ascontiguousarray(frame[y0 : max(y0, y1), x0 : max(x0, x1)]), (x0, y0)
