"""The mouth of the person in front, frame by frame, a few tenths of a second behind the camera.

Shapes: frame (H, W, 3) uint8; crop (96, 96) uint8; points (37, 2) float32 pixels.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from vsr.face.canvas import Shape, points_on_frame, ratio
from vsr.face.detector import Detector
from vsr.face.geometry import SMOOTHING
from vsr.face.piece import Cut, MouthCutter
from vsr.face.tracker import MAX_GAP, STRIDE, Tracker
from vsr.media.frame_shape import same_aspect

AROUND = 1.5  # of the larger side of the face's points, by which the kept frame goes beyond: a detector looks there
LARGEST = 250  # pixels of that side; the mesh sees no more
KEPT = MAX_GAP + 2 * SMOOTHING + STRIDE  # frames that wait for their points
AHEAD = 3  # frames whose points smooth a crop; the published way takes six, which is a quarter of a second


@dataclass(frozen=True)
class Face:
    """What a frame shows around a face, (H, W, 3), and the face's points (37, 2) in its pixels; ``begin`` (2,): its
    first pixel in pixels of the video, ``step`` (2,): pixels of the video for one of it."""

    frame: np.ndarray
    points: np.ndarray
    begin: np.ndarray
    step: np.ndarray

    def on_video(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 2) of what is kept, in pixels of the video."""
        return points * self.step + self.begin


@dataclass(frozen=True)
class Mouth:
    """One frame of the mouth: its crop, its points, seconds of the video, when (monotonic) it was filmed, and the face
    around it, if that is kept."""

    crop: np.ndarray
    points: np.ndarray
    time: float
    at: float
    face: Face | None = None


class MouthStream:
    """Frames in, mouths out, in order; `person` counts up when somebody else comes to be in front. ``faces``: whether
    the face around each mouth is kept."""

    def __init__(self, detector: Detector, faces: bool = False):
        self.faces = faces
        self.tracker = Tracker(detector)
        self.person = 0
        self._cutter: MouthCutter | None = None
        self._frames: deque = deque(maxlen=KEPT)
        self._count = 0

    def add(self, frame: np.ndarray, time: float, at: float) -> list[Mouth]:
        """Take the next frame of the 25 fps grid; returns the mouths that can now be cut."""
        if self._frames and not same_aspect(frame.shape, self._frames[-1][0].shape):
            self.tracker.cut()  # a camera that is turned: what is known of its faces are pixels of another frame
        self._frames.append((frame, time, at))
        self.tracker.look(frame, self._count)
        self._count += 1
        self._choose()
        return self._cut(AHEAD)

    def rest(self) -> list[Mouth]:
        """What is left when the frames end."""
        newest = self._count - 1
        if self._cutter is not None and self._cutter.track.last < newest:
            self.tracker.look(self._frames[-1][0], newest, last=True)
        return self._cut(0)

    def _choose(self) -> None:
        """Stay with the person in front until that face is gone, then take the largest."""
        if self._cutter is not None and self._cutter.track in self.tracker.tracks:
            return
        track = max(self.tracker.tracks, key=lambda track: track.face.size, default=None)
        if track is not None:
            self.person += self._cutter is not None
            self._cutter = MouthCutter(track)

    def _cut(self, ahead: int) -> list[Mouth]:
        cutter = self._cutter
        if cutter is None:
            return []
        oldest = self._count - len(self._frames)
        cutter.done = max(cutter.done, oldest - cutter.first)
        first, cuts = cutter.first + cutter.done, cutter.cut(lambda number: self._at(number)[0], cutter.total - ahead)
        return [self._mouth(own, *self._at(number)) for number, own in enumerate(cuts, first)]

    def _mouth(self, own: Cut, frame: np.ndarray, time: float, at: float) -> Mouth:
        canvas = None if self._cutter is None else self._cutter.track.canvas
        return Mouth(own.crop, own.points, time, at, face_around(frame, own.points, canvas) if self.faces else None)

    def _at(self, number: int) -> tuple[np.ndarray, float, float]:
        """Frame number so many, its time, and when it was filmed."""
        return self._frames[number - self._count]


def face_around(frame: np.ndarray, points: np.ndarray, canvas: Shape | None = None) -> Face:
    """What a frame (H, W, 3) shows around a face, no larger than a mesh can use; ``points`` (37, 2): of the canvas."""
    import cv2

    own = points_on_frame(points, frame.shape, canvas)
    least, most = own.min(0), own.max(0)
    size = float((most - least).max())
    x, y = np.maximum(0, (least - AROUND * size).astype(int))
    right, below = np.maximum(0, (most + AROUND * size).astype(int) + 1)
    part = frame[y:below, x:right]
    wide, high = part.shape[1], part.shape[0]
    if size > LARGEST and wide and high:
        to = (max(1, round(wide * LARGEST / size)), max(1, round(high * LARGEST / size)))
        kept = cv2.resize(part, to, interpolation=cv2.INTER_AREA)
    else:
        kept = part.copy()
    step = np.array([wide / max(1, kept.shape[1]), high / max(1, kept.shape[0])], np.float32)
    scale = ratio(frame.shape, canvas)
    video = np.ones(2, np.float32) if scale is None else 1 / scale
    corner = np.array([x, y], np.float32)
    return Face(kept, (own - corner) / step, corner * video, step * video)
