"""One person's mouth through one shot: cut frame by frame while the video is read, then a finished piece.

Shapes: frame (H, W, 3) uint8; points (n, 37, 2) float32 pixels of the canvas (`vsr.face.canvas`); crop (T, 96, 96)
uint8 gray; times (T,) seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from vsr.core.clock import FPS
from vsr.face import likeness
from vsr.face.canvas import matrix_on_frame, points_on_frame
from vsr.face.geometry import SMOOTHING, cut_mouth, mouth_transforms, shares_inside
from vsr.face.mouth_points import MouthFollower, MouthMesh
from vsr.face.networks import Pool
from vsr.face.requested_points import RequestedPoints
from vsr.face.stretches import Stretches, stretches_of
from vsr.face.tracker import OpenTrack

MIN_FRAMES = 12  # below half a second there is no word to read
HOLD = FPS  # frames by which a track may be prolonged to the ends of its shot
MIN_INSIDE = 0.6  # share of the crop that must lie inside the frame


@dataclass(frozen=True)
class Piece:
    """One person's mouth through one shot of a block.

    track: number within the block; shot: number of the shot within the block; start: first frame within the block;
    crop (T, 96, 96) uint8; times (T,) seconds; points (T, 37, 2) float32 pixels, gaps filled; sizes (T,) face sizes
    in pixels, NaN where the face was not found; inside (T,): share of the crop that lies in the frame;
    images (k, ...) uint8: the upright face, as `vsr.face.likeness` takes it; canvas: shape of the frame whose pixels
    the points are in, None: of every frame; zoom: pixels of the video per pixel of the canvas, median of its frames;
    mouth (T, 14, 2) float32 pixels: the points of `vsr.face.mouth_points`, NaN where they were not seen, or an array
    that computes them on request (`vsr.face.requested_points`); None if they are not needed; image_frames (k,): the
    frames of the images.
    """

    track: int
    shot: int
    start: int
    crop: np.ndarray
    times: np.ndarray
    points: np.ndarray
    sizes: np.ndarray
    inside: np.ndarray
    images: np.ndarray
    canvas: tuple[int, ...] | None = None
    zoom: float = 1.0
    mouth: np.ndarray | RequestedPoints | None = None
    image_frames: np.ndarray = field(default_factory=lambda: np.zeros(1, int))

    @property
    def seen(self) -> np.ndarray:
        """(T,) bool: frames in which the face was found."""
        return ~np.isnan(self.sizes)

    @property
    def found(self) -> float:
        """Share of frames in which the face was found."""
        return float(self.seen.mean())

    @property
    def weight(self) -> float:
        """Sum of the face's area over the frames in which it was found: who fills the screen for longest."""
        return float(np.nansum(self.sizes**2))

    @cached_property
    def marks(self) -> list[bytes]:
        """Marks by which the person is recognised in another shot (`vsr.face.likeness`)."""
        return likeness.measure().marks(self.images)

    @cached_property
    def stretches(self) -> Stretches:
        """Its stretches of frames that are read, and those that are not."""
        return stretches_of(self.crop, self.points, self.found, self.times)

    def mouth_of(self, start: int, stop: int) -> np.ndarray | RequestedPoints | None:
        """The points of the mouth in a part of its frames, if they are known."""
        return None if self.mouth is None else self.mouth[start:stop]

    @property
    def inside_frame(self) -> bool:
        """Whether enough of the mouth is in the frame for enough of the time."""
        return bool(np.mean(self.inside < MIN_INSIDE) <= 0.2)


@dataclass(frozen=True)
class Cut:
    """One frame of a mouth: the frame that it is cut from, the crop (96, 96), the points (37, 2) and the matrix (2, 3)
    to the crop, in pixels of the canvas."""

    frame: np.ndarray
    crop: np.ndarray
    points: np.ndarray
    matrix: np.ndarray


class MouthCutter:
    """Cuts the mouth of one track frame by frame; the crop may begin ``before`` frames earlier, with repeated points.

    Attributes:
        done: number of crop frames cut so far; after: frames by which the crop continues after the track.
    """

    def __init__(self, track: OpenTrack, before: int = 0):
        self.track, self.before, self.after, self.done = track, before, 0, 0

    @property
    def first(self) -> int:
        """The first frame of the crop."""
        return self.track.start - self.before

    @property
    def total(self) -> int:
        """Number of crop frames whose points are known."""
        return self.before + len(self.track.points) + self.after

    def points(self, start: int, stop: int) -> np.ndarray:
        """Points (stop - start, 37, 2) of these frames of the crop, repeated beyond the ends of the track."""
        places = np.clip(np.arange(start, stop) - self.before, 0, len(self.track.points) - 1)
        return np.stack([self.track.points[place] for place in places])

    def cut(self, frame_at: Callable[[int], np.ndarray], stop: int) -> Iterator[Cut]:
        """Cut the frames up to `stop` of the crop, smoothed by what is known of those after them; `frame_at` gives a
        frame by its number."""
        start, low = self.done, max(0, self.done - SMOOTHING)
        if stop <= start:
            return
        points = self.points(low, min(self.total, stop + SMOOTHING))
        matrices = mouth_transforms(points)
        self.done = stop
        for place in range(start, stop):
            frame, matrix = frame_at(self.first + place), matrices[place - low]
            crop = cut_mouth(frame, matrix_on_frame(matrix, frame.shape, self.track.canvas))
            yield Cut(frame, crop, points[place - low], matrix)


class Cutter(MouthCutter):
    """Cuts the mouth of one track into a piece, as soon as the smoothed points of a frame are final.

    The crop may begin before the track and end after it: the detector may miss a person at first, so the first and the
    last points are repeated for up to a second at the ends of the shot, and the text of a clip begins with the clip.
    """

    def __init__(self, track: OpenTrack, shot: int, shot_start: int, mesh: Pool[MouthMesh] | None = None):
        super().__init__(track, track.start - shot_start if track.start - shot_start <= HOLD else 0)
        self.shot = shot
        self.mouths = MouthFollower(mesh) if mesh else None
        self.followed = 0  # frames of the crop whose mouth is being found
        self.crops: list[np.ndarray] = []
        self.inside: list[float] = []
        self.images: list[np.ndarray] = []
        self.image_frames: list[int] = []
        self.next_image = 0  # the first frame of which another image is taken
        self.widths: list[int] = []  # of the frames

    @property
    def ready(self) -> int:
        """Number of crop frames whose smoothed points are final."""
        return max(0, self.before + len(self.track.points) - SMOOTHING)

    def take(self, frame_at: Callable[[int], np.ndarray], stop: int) -> None:
        """Cut the frames up to `stop` of the crop, for the piece."""
        matrices = []
        for place, own in enumerate(self.cut(frame_at, stop), self.done):
            matrices.append(own.matrix)
            self.widths.append(own.frame.shape[1])
            self.crops.append(own.crop)
            if place >= self.next_image and self._is_found(place):
                points = points_on_frame(own.points, own.frame.shape, self.track.canvas)
                self.images.append(likeness.measure().image(own.frame, points))
                self.image_frames.append(place)
                self.next_image = place + likeness.measure().every
        if matrices:
            self.inside.extend(shares_inside(self.track.canvas or own.frame.shape, np.stack(matrices)))

    def _is_found(self, place: int) -> bool:
        """Whether the face was found in this frame of the crop."""
        index = place - self.before
        return 0 <= index < len(self.track.sizes) and bool(np.isfinite(self.track.sizes[index]))

    def follow(self, frame_at: Callable[[int], np.ndarray]) -> None:
        """Start the search for mouth points in all frames whose face is known: it needs no smoothing, and takes longer
        than cutting."""
        if self.mouths is None:
            return
        for place in range(self.followed, self.total):
            self.mouths.add(frame_at(self.first + place), self.points(place, place + 1)[0], self.track.canvas)
        self.followed = self.total

    def finish(self, frame_at: Callable[[int], np.ndarray], shot_stop: int) -> None:
        """Cut the remaining frames; the shot ended before frame `shot_stop`."""
        missing = shot_stop - self.track.last - 1
        self.after = missing if missing <= HOLD else 0
        self.follow(frame_at)
        self.take(frame_at, self.total)

    def piece(self, times: np.ndarray) -> Piece:
        """The piece of all frames cut, with their times."""
        count = len(self.crops)
        zoom = float(np.median(self.widths)) / self.track.canvas[1] if self.track.canvas else 1.0
        sizes = np.pad(np.asarray(self.track.sizes, np.float32), (self.before, self.after), constant_values=np.nan)
        return Piece(
            self.track.id, self.shot, self.first, np.stack(self.crops), times[self.first : self.first + count],
            self.points(0, count), sizes, np.asarray(self.inside), np.stack(self.images), self.track.canvas, zoom,
            self.mouths.points() if self.mouths else None, np.asarray(self.image_frames),
        )  # fmt: skip
