"""Links the faces of single frames to tracks: each of one person through one shot, never passed to a neighbour.

Shapes: frame (H, W, 3) uint8; points (n, 37, 2) float32 pixels of the canvas (`vsr.face.canvas`): those of every
frame, unless the resolution changes within the shot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from vsr.core.clock import FPS
from vsr.face.canvas import Shape, faces_on_canvas
from vsr.face.detector import Detector
from vsr.face.faces import MAX_STEP, Face, distance_between
from vsr.face.shots import shots

MAX_GAP = 2 * FPS  # frames a person may go unseen and still be the same track
# A calm face is looked for in every fourth frame, and in between its points run straight: on GRID that moves the
# corners of the crop by 0.3 of its pixels. Speeds in face sizes a frame.
STRIDE = 4
STRIDES = ((0.008, STRIDE), (0.015, 3), (0.05, 2))  # (below this speed, frames to the next look); else every frame


@dataclass
class Track:
    """One person through a shot. points (n, 37, 2) float32 pixels of frames start .. start + n - 1, NaN where the
    face was not found; sizes (n,) face size in pixels, NaN likewise."""

    id: int
    start: int
    points: np.ndarray
    sizes: np.ndarray

    @property
    def stop(self) -> int:
        """First frame after the track."""
        return self.start + len(self.points)

    @property
    def seen(self) -> np.ndarray:
        """(n,) bool: frames in which the face was found."""
        return ~np.isnan(self.sizes)

    @property
    def weight(self) -> float:
        """Sum of the face's area over the frames in which it was found: who fills the screen for longest."""
        return float(np.nansum(self.sizes**2))


def track_faces(frames: Iterable[np.ndarray], detector: Detector) -> list[Track]:
    """Follow every face through frames (H, W, 3) uint8; tracks in the order of their first sighting.

    A face continues the track whose last sighting it lies nearest to, within 0.7 face sizes and a similar scale,
    so two people beside each other can never swap. Tracks end at a change of shot and after 2 s unseen.
    """
    tracker, ended = Tracker(detector), []
    flow = iter(shots(frames))
    item, index = next(flow, None), 0
    while item is not None:
        frame, begins = item
        item = next(flow, None)
        if begins:
            ended += tracker.cut()
        ended += tracker.look(frame, index, last=item is None or item[1])
        index += 1
    ended += tracker.cut()
    return [track.as_track() for track in sorted(ended, key=lambda track: track.id)]


class Tracker:
    """Takes frames; `tracks` holds the open tracks, and those that end are returned.

    It uses a fresh copy of the given detector where it has one, so that two videos can be read at once with it.
    """

    def __init__(self, detector: Detector):
        self.detector = detector.fresh() if hasattr(detector, "fresh") else detector
        self.tracks: list[OpenTrack] = []
        self._count = 0
        self._canvas: tuple[int, ...] | None = None  # of the shot
        self._restart()

    def _restart(self) -> None:
        self.detector.reset()
        self._due, self._unseen, self._frame = 0, 0, None

    def cut(self) -> list[OpenTrack]:
        """Begin a new shot; returns the tracks so far, which end here."""
        ended, self.tracks = self.tracks, []
        self._canvas = None
        self._restart()
        return ended

    def look(self, frame: np.ndarray, index: int, last: bool = False) -> list[OpenTrack]:
        """Detect faces in a frame, if that is due; `last`: the shot ends with it. Returns the tracks that ended."""
        self._canvas = self._canvas or frame.shape
        if index >= self._due or last:
            if frame is not self._frame:
                self._faces, self._frame = self._detected(frame, self._canvas), frame
            self._extend(self._faces, index)
            self._due = index + self._stride(index)
        ended = [track for track in self.tracks if index - track.last > MAX_GAP]
        self.tracks = [track for track in self.tracks if index - track.last <= MAX_GAP]
        return ended

    def _detected(self, frame: np.ndarray, canvas: Shape) -> list[Face]:
        """Faces of a frame, in pixels of the canvas."""
        if self._frame is not None and frame.shape != self._frame.shape:
            self.detector.reset()  # what it remembers are pixels of another resolution
        return faces_on_canvas(self.detector.detect(frame), frame.shape, canvas)

    def _stride(self, index: int) -> int:
        """Frames until the next detection: few where a face moves, is new or was just lost."""
        self._unseen = 0 if self._faces else self._unseen + 1
        if self._unseen:
            return 1 if self._unseen < FPS else STRIDE
        if any(track.last != index for track in self.tracks):
            return 1
        speed = max(track.speed for track in self.tracks)
        return next((stride for limit, stride in STRIDES if speed < limit), 1)

    def _extend(self, faces: list[Face], index: int) -> None:
        """Assign each face to its track, nearest pairs first; the remaining faces begin new tracks."""
        pairs = [(track.distance(face), t, f) for t, track in enumerate(self.tracks) for f, face in enumerate(faces)]
        free_tracks, free_faces = set(range(len(self.tracks))), set(range(len(faces)))
        for distance, t, f in sorted(pairs):
            if np.isfinite(distance) and t in free_tracks and f in free_faces:
                self.tracks[t].add(index, faces[f])
                free_tracks.remove(t)
                free_faces.remove(f)
        for t in free_tracks:
            self.tracks[t].missed = True
        for f in sorted(free_faces):
            self.tracks.append(OpenTrack(self._count, index, faces[f], canvas=self._canvas))
            self._count += 1


@dataclass
class OpenTrack:
    """A growing track; between two detections that are close, points are interpolated and count as seen."""

    id: int
    start: int
    face: Face  # at the last sighting
    points: list[np.ndarray] = field(default_factory=list)  # of each frame since start, gaps filled straight
    sizes: list[float] = field(default_factory=list)  # NaN where not found
    speed: float = np.inf  # face sizes a frame, at the last look
    missed: bool = False  # whether it was looked for in vain since the last sighting
    canvas: tuple[int, ...] | None = None  # shape of the frame whose pixels the points are

    def __post_init__(self) -> None:
        self._append(self.face)

    @property
    def last(self) -> int:
        """The last frame in which the face was found."""
        return self.start + len(self.points) - 1

    def add(self, index: int, face: Face) -> None:
        """Add the face found in frame `index`."""
        self._bridge(index - self.last, face)
        self._append(face)
        self.face, self.missed = face, False

    def _append(self, face: Face) -> None:
        self.points.append(face.points)
        self.sizes.append(face.size)

    def _bridge(self, steps: int, face: Face) -> None:
        """Interpolate the frames since the last sighting; they count as seen if they are few and none was searched."""
        self.speed = distance_between(face, self.face) / steps
        before, size = self.points[-1], self.sizes[-1]
        for step in range(1, steps):
            share = np.float32(step / steps)
            self.points.append(before + share * (face.points - before))
            self.sizes.append(np.nan if self.missed or steps > STRIDE else size + share * (face.size - size))

    def distance(self, face: Face) -> float:
        """Mean displacement of the points in face sizes; infinite if it cannot be the same person."""
        if not 0.6 < face.size / self.face.size < 1.7:
            return np.inf
        way = distance_between(face, self.face)
        return way if way < MAX_STEP else np.inf

    def as_track(self) -> Track:
        """The track as arrays."""
        points, sizes = np.asarray(self.points, np.float32), np.asarray(self.sizes, np.float32)
        points[np.isnan(sizes)] = np.nan
        return Track(self.id, self.start, points, sizes)
