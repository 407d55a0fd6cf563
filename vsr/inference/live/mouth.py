"""The mouth of the person in front, frame by frame, a few tenths of a second behind the camera.

Shapes: frame (H, W, 3) uint8; crop (96, 96) uint8; points (37, 2) float32 pixels.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from vsr.face.detector import Detector
from vsr.face.geometry import SMOOTHING
from vsr.face.piece import MouthCutter
from vsr.face.tracker import MAX_GAP, STRIDE, Tracker
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
        return [Mouth(own.crop, own.points, *self._at(number)[1:]) for number, own in enumerate(cuts, first)]

    def _at(self, number: int) -> tuple[np.ndarray, float, float]:
        """Frame number so many, its time, and when it was filmed."""
        return self._frames[number - self._count]
