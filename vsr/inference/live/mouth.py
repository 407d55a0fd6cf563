"""The mouth of the person in front, frame by frame, a few tenths of a second behind the camera.

Shapes: frame (H, W, 3) uint8; crop (96, 96) uint8; points (37, 2) float32 pixels.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from vsr.face.canvas import matrix_on_frame
from vsr.face.detector import Detector
from vsr.face.geometry import SMOOTHING, cut_mouth, mouth_transforms
from vsr.face.tracker import MAX_GAP, STRIDE, OpenTrack, Tracker
from vsr.media.picture_shape import same_aspect

KEPT = MAX_GAP + 2 * SMOOTHING + STRIDE  # frames that wait for their points
AHEAD = 3  # frames whose points smooth a crop; the published way takes six, which is a quarter of a second


@dataclass(frozen=True)
class Mouth:
    """One frame of the mouth: its crop, its points, seconds of the video, and when (monotonic) it was filmed."""

    crop: np.ndarray
    points: np.ndarray
    time: float
    at: float


class MouthStream:
    """Frames in, mouths out, in order; `person` counts up when somebody else comes to be in front."""

    def __init__(self, detector: Detector):
        self.tracker = Tracker(detector)
        self.person = 0
        self._track: OpenTrack | None = None
        self._done = 0  # frames of the track that were cut
        self._frames: deque = deque(maxlen=KEPT)
        self._count = 0

    def add(self, frame: np.ndarray, time: float, at: float) -> list[Mouth]:
        """Take the next frame of the 25 fps grid; returns the mouths that can now be cut."""
        if self._frames and not same_aspect(frame.shape, self._frames[-1][0].shape):
            self.tracker.cut()  # a camera that is turned: what is known of its faces are pixels of another picture
        self._frames.append((frame, time, at))
        self.tracker.look(frame, self._count)
        self._count += 1
        self._choose()
        return self._cut(AHEAD)

    def rest(self) -> list[Mouth]:
        """What is left when the pictures end."""
        newest = self._count - 1
        if self._track is not None and self._track.last < newest:
            self.tracker.look(self._frames[-1][0], newest, last=True)
        return self._cut(0)

    def _choose(self) -> None:
        """Stay with the person in front until that face is gone, then take the largest."""
        if self._track in self.tracker.tracks:
            return
        track = max(self.tracker.tracks, key=lambda track: track.face.size, default=None)
        if track is not None and self._track is not None:
            self.person += 1
        if track is not None:
            self._track, self._done = track, 0

    def _cut(self, ahead: int) -> list[Mouth]:
        track = self._track
        if track is None:
            return []
        oldest = max(self._done, self._count - len(self._frames) - track.start)
        stop = len(track.points) - ahead
        if stop <= oldest:
            return []
        low = max(0, oldest - SMOOTHING)
        points = np.stack(track.points[low:])
        matrices = mouth_transforms(points)
        self._done = stop
        return [self._mouth(track.start + k, points[k - low], matrices[k - low]) for k in range(oldest, stop)]

    def _mouth(self, number: int, points: np.ndarray, matrix: np.ndarray) -> Mouth:
        frame, time, at = self._frames[number - self._count]
        return Mouth(cut_mouth(frame, matrix_on_frame(matrix, frame.shape, self._track.canvas)), points, time, at)
