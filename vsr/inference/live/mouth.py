"""Mouth crops of the person who speaks, frame by frame, a few tenths of a second behind the camera.

The largest face is followed. When its lips have rested for a moment and those of another have moved, that one is
followed, from the moment at which it began to speak: the last three seconds are kept. So nobody loses their turn to
somebody who interrupts.

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
from vsr.face.tracker import MAX_GAP, STRIDE, OpenTrack, Tracker
from vsr.inference.live.speaking import BEGINS, GOES_ON, has_spoken
from vsr.media.frame_shape import same_aspect

AROUND = 1.5  # margin of the kept image for the detector, in units of the larger side of the face's points
LARGEST = 250  # most pixels of that side; the mesh does not use more
KEPT = MAX_GAP + 2 * SMOOTHING + STRIDE  # frames kept until their points are known
CHECK = 8  # frames after which it is looked again who speaks
AHEAD = 3  # future frames whose points smooth a crop; the published method uses six, a quarter of a second


@dataclass(frozen=True)
class Face:
    """The image around a face, (H, W, 3), and the face's points (37, 2) in its pixels; ``begin`` (2,): its first pixel
    in pixels of the video, ``step`` (2,): pixels of the video per pixel of the image."""

    frame: np.ndarray
    points: np.ndarray
    begin: np.ndarray
    step: np.ndarray

    def on_video(self, points: np.ndarray) -> np.ndarray:
        """Convert points (..., 2) of the image to pixels of the video."""
        return points * self.step + self.begin


@dataclass(frozen=True)
class Mouth:
    """One frame of the mouth: its crop, its points, seconds of the video, when it was captured (monotonic), and the
    face around it, if that is kept."""

    crop: np.ndarray
    points: np.ndarray
    time: float
    at: float
    face: Face | None = None


class MouthStream:
    """Takes frames and returns mouths, in order; `person` is the number of the face that they are of, counted in the
    order in which faces are followed. ``faces``: whether to keep the face around each mouth; ``turns``: whether to
    follow whoever speaks, otherwise the largest face until it is gone."""

    def __init__(self, detector: Detector, faces: bool = False, turns: bool = True):
        self.faces, self.turns = faces, turns
        self.tracker = Tracker(detector)
        self.person = 0
        self._cutter: MouthCutter | None = None
        self._cutters: dict[int, tuple[int, MouthCutter]] = {}  # of tracks: their person, and what was cut of them
        self._people = 0
        self._frames: deque = deque(maxlen=KEPT)
        self._count = 0

    def add(self, frame: np.ndarray, time: float, at: float) -> list[Mouth]:
        """Add the next frame of the 25 fps grid; returns the mouths that can now be cropped."""
        if self._frames and not same_aspect(frame.shape, self._frames[-1][0].shape):
            self.tracker.cut()  # a rotated camera: the tracks are in pixels of the other frame
        self._frames.append((frame, time, at))
        self.tracker.look(frame, self._count)
        self._count += 1
        self._choose()
        return self._cut(AHEAD)

    def rest(self) -> list[Mouth]:
        """The remaining mouths at the end of the frames."""
        newest = self._count - 1
        if self._cutter is not None and self._cutter.track.last < newest:
            self.tracker.look(self._frames[-1][0], newest, last=True)
        return self._cut(0)

    def _choose(self) -> None:
        """Follow the current face until its track ends, or until it rests while another speaks."""
        tracks, followed = self.tracker.tracks, None if self._cutter is None else self._cutter.track
        if followed not in tracks:
            self._follow(max(tracks, key=lambda track: track.face.size, default=None))
        elif self.turns and len(tracks) > 1 and self._count % CHECK == 0 and not self._has_spoken(followed, GOES_ON):
            others = sorted(tracks, key=lambda track: -track.face.size)
            self._follow(next((track for track in others if self._has_spoken(track, BEGINS)), None))

    def _has_spoken(self, track: OpenTrack, rule: tuple[int, float]) -> bool:
        return has_spoken(track, lambda number: self._frame_at(number)[0], self._count - 1, rule)

    def _follow(self, track: OpenTrack | None) -> None:
        """Follow a face, from where it was left if it was followed before; None: as it is."""
        if track is None:
            return
        if track.id not in self._cutters:
            self._cutters[track.id] = self._people, MouthCutter(track)
            self._people += 1
        self.person, self._cutter = self._cutters[track.id]
        known = {own.id for own in self.tracker.tracks}
        self._cutters = {number: cutter for number, cutter in self._cutters.items() if number in known}

    def _cut(self, ahead: int) -> list[Mouth]:
        cutter = self._cutter
        if cutter is None:
            return []
        oldest = self._count - len(self._frames)
        cutter.done = max(cutter.done, oldest - cutter.first)
        first = cutter.first + cutter.done  # before the cut moves it
        cuts = cutter.cut(lambda number: self._frame_at(number)[0], cutter.total - ahead)
        return [self._mouth(cut, *self._frame_at(number)) for number, cut in enumerate(cuts, first)]

    def _mouth(self, cut: Cut, frame: np.ndarray, time: float, at: float) -> Mouth:
        canvas = None if self._cutter is None else self._cutter.track.canvas
        return Mouth(cut.crop, cut.points, time, at, face_around(frame, cut.points, canvas) if self.faces else None)

    def _frame_at(self, number: int) -> tuple[np.ndarray, float, float]:
        """The frame of this number, its time, and when it was captured."""
        return self._frames[number - self._count]


def face_around(frame: np.ndarray, points: np.ndarray, canvas: Shape | None = None) -> Face:
    """Crop a frame (H, W, 3) around a face, scaled to what a mesh can use; ``points`` (37, 2): on the canvas."""
    import cv2

    face_points = points_on_frame(points, frame.shape, canvas)
    lower, upper = face_points.min(0), face_points.max(0)
    size = float((upper - lower).max())
    x, y = np.maximum(0, (lower - AROUND * size).astype(int))
    right, bottom = np.maximum(0, (upper + AROUND * size).astype(int) + 1)
    region = frame[y:bottom, x:right]
    width, height = region.shape[1], region.shape[0]
    if size > LARGEST and width and height:
        target = (max(1, round(width * LARGEST / size)), max(1, round(height * LARGEST / size)))
        image = cv2.resize(region, target, interpolation=cv2.INTER_AREA)
    else:
        image = region.copy()
    step = np.array([width / max(1, image.shape[1]), height / max(1, image.shape[0])], np.float32)
    scale = ratio(frame.shape, canvas)
    video = np.ones(2, np.float32) if scale is None else 1 / scale
    corner = np.array([x, y], np.float32)
    return Face(image, (face_points - corner) / step, corner * video, step * video)
