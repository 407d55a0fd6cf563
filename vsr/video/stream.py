"""Second and third station while the video streams by: frames -> shots and tracks -> finished pieces of mouth crops.

A video is worked through in blocks of 20 to 60 seconds. Nothing is carried from one block into the next but the place
where it begins, so a block gives the same pieces whether the run began with it or long before; that is what makes a
killed run resumable, and memory constant. A block ends at a change of shot, or else after a minute, and then the next
begins two seconds earlier, so that what is said at the border is whole in one of the two.

Shapes: frame (H, W, 3) uint8; points (n, 37, 2) float32 pixels; crop (T, 96, 96) uint8 gray; times (T,) seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from vsr.clock import FPS
from vsr.video.detector import Detector
from vsr.video.geometry import REFERENCE, SMOOTHING, anchors_of, cut_mouth, mouth_transforms, shares_inside
from vsr.video.geometry import similarity as fit_similarity
from vsr.video.grid import Position
from vsr.video.shots import FLASH, REACH, REPEATS, with_shots
from vsr.video.tracks import MAX_GAP, OpenTrack, Tracker

SHORTEST, LONGEST = 20 * FPS, 60 * FPS  # frames of a block
OVERLAP = 2 * FPS  # frames that two blocks of one shot share
MIN_FRAMES = 12  # below half a second there is no word to read
HOLD = FPS  # frames by which a track may be prolonged to the ends of its shot
MIN_INSIDE = 0.6  # share of the crop that must lie inside the picture
TOGETHER = 8  # frames that are cropped at once
# Frames kept: the longest gap that may yet be bridged, and as many as the shot detector is behind.
KEPT = MAX_GAP + SMOOTHING + 2 * TOGETHER + FLASH + (REACH + 1) * (REPEATS + 1)
LOOK = 64  # side of the picture by which a face is known again
LOOK_EVERY = FPS  # frames


@dataclass(frozen=True)
class Piece:
    """One person's mouth through one shot of a block.

    track: number within the block; shot: number of the shot within the block; start: first frame within the block;
    crop (T, 96, 96) uint8; times (T,) seconds; points (T, 37, 2) float32 pixels, gaps filled; sizes (T,) face sizes
    in pixels, NaN where the face was not found; inside (T,): share of the crop that lies in the picture;
    looks (k, 64, 64) uint8 gray: the face upright, about once a second.
    """

    track: int
    shot: int
    start: int
    crop: np.ndarray
    times: np.ndarray
    points: np.ndarray
    sizes: np.ndarray
    inside: np.ndarray
    looks: np.ndarray

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

    @property
    def inside_picture(self) -> bool:
        """Whether enough of the mouth is in the picture for enough of the time."""
        return bool(np.mean(self.inside < MIN_INSIDE) <= 0.2)


@dataclass(frozen=True)
class Block:
    """A stretch of video, worked through. times (n,) seconds of its frames; shots: the frames at which shots begin
    (the first block of a shot that goes on from the block before counts, too); next: where the next block begins,
    None after the last; cut: whether that is a change of shot."""

    times: np.ndarray
    shots: tuple[int, ...]
    pieces: list[Piece]
    next: Position | None
    cut: bool


def blocks(
    frames: Iterable[tuple[np.ndarray, Position]], detector: Detector, longest: int | None = LONGEST
) -> Iterator[Block]:
    """Work through (frame, place) pairs; `longest` None makes one block of everything."""
    source = _Rewindable(frames)
    while source.more():
        yield _BlockReader(source, detector, longest).read()


class _Rewindable:
    """Frames that come from an iterator once, of which the last can be had again."""

    def __init__(self, frames: Iterable):
        self._frames = iter(frames)
        self._kept: deque = deque(maxlen=KEPT + OVERLAP)
        self._pulled = self.at = 0  # frames taken from the iterator; number of the next frame given

    def __iter__(self) -> _Rewindable:
        return self

    def __next__(self) -> tuple:
        """(frame, (number, place))."""
        if self.at == self._pulled:
            self._kept.append(next(self._frames))
            self._pulled += 1
        frame, place = self[self.at]
        self.at += 1
        return frame, (self.at - 1, place)

    def __getitem__(self, number: int) -> tuple:
        return self._kept[number - self._pulled]

    def more(self) -> bool:
        """Whether there is another frame."""
        if next(self, None) is None:
            return False
        self.at -= 1
        return True


class _BlockReader:
    """Reads one block from `source` and leaves it where the next begins. Frames are counted from the block's first."""

    def __init__(self, source: _Rewindable, detector: Detector, longest: int | None):
        self.source, self.longest, self.base = source, longest, source.at
        self.tracker = Tracker(detector)
        self.cutters: dict[int, _Cutter] = {}
        self.pieces: list[Piece] = []
        self.shots: list[int] = []
        self.times: list[float] = []

    def read(self) -> Block:
        """The block."""
        flow = with_shots(self.source)
        item = next(flow)
        while item is not None:
            following = next(flow, None)
            self._take(*item, last=following is None or following[1])
            item = following
            if item is None or not self._full(item[1]):
                continue
            return self._ended(cut=item[1])
        self._close(self.tracker.cut())
        return self._block(None, True)

    def _full(self, cut: bool) -> bool:
        count = len(self.times)
        return self.longest is not None and (count >= self.longest or (cut and count >= SHORTEST))

    def _ended(self, cut: bool) -> Block:
        self._close(self.tracker.cut())
        self.source.at = self.base + len(self.times) - (0 if cut else OVERLAP)
        return self._block(self.source[self.source.at][1], cut)

    def _block(self, following: Position | None, cut: bool) -> Block:
        pieces = sorted(self.pieces, key=lambda piece: piece.track)
        return Block(np.asarray(self.times), tuple(self.shots), pieces, following, cut)

    def _take(self, frame: np.ndarray, begins: bool, known: tuple[int, Position], last: bool) -> None:
        """One more frame: look for faces, cut what can be cut."""
        index = len(self.times)
        if begins:
            self._close(self.tracker.cut())
            self.shots.append(index)
        self.times.append(known[1].time)
        self._close(self.tracker.look(frame, index, last))
        for track in self.tracker.tracks:
            cutter = self.cutters.setdefault(track.id, _Cutter(track, len(self.shots) - 1, self.shots[-1]))
            if index % TOGETHER == 0:
                cutter.cut(self._frame, cutter.ready)

    def _frame(self, index: int) -> np.ndarray:
        return self.source[self.base + index][0]

    def _close(self, tracks: list[OpenTrack]) -> None:
        """Tracks that ended become pieces, if there is enough of them."""
        for track in tracks:
            cutter = self.cutters.pop(track.id, None)
            if cutter is not None and np.isfinite(track.sizes).sum() >= MIN_FRAMES:
                cutter.finish(self._frame, len(self.times))
                self.pieces.append(cutter.piece(np.asarray(self.times)))


class _Cutter:
    """Cuts the mouth of one track, as far as the smoothing of its points can be known.

    The crop may begin before the track and end after it: a person whom the detector misses at first is there all the
    same, so up to a second is held at either end of the shot, and the text of a clip begins with the clip.
    """

    def __init__(self, track: OpenTrack, shot: int, shot_start: int):
        self.track, self.shot = track, shot
        self.before = track.start - shot_start if track.start - shot_start <= HOLD else 0
        self.after = 0
        self.crops: list[np.ndarray] = []
        self.inside: list[float] = []
        self.looks: list[np.ndarray] = []

    @property
    def first(self) -> int:
        """The block's frame with which the crop begins."""
        return self.track.start - self.before

    @property
    def ready(self) -> int:
        """Frames of the crop whose points, smoothed, will not change any more."""
        return max(0, self.before + len(self.track.points) - SMOOTHING)

    def points(self, start: int, stop: int) -> np.ndarray:
        """(stop - start, 37, 2) points of these frames of the crop, ends held."""
        places = np.clip(np.arange(start, stop) - self.before, 0, len(self.track.points) - 1)
        return np.stack([self.track.points[place] for place in places])

    def cut(self, frame_at, stop: int) -> None:
        """Cut the frames up to `stop` of the crop; `frame_at` gives a frame of the block."""
        done, total = len(self.crops), self.before + len(self.track.points) + self.after
        if stop <= done:
            return
        low = max(0, done - SMOOTHING)
        points = self.points(low, min(total, stop + SMOOTHING))
        matrices = mouth_transforms(points)
        for place in range(done, stop):
            frame = frame_at(self.first + place)
            self.crops.append(cut_mouth(frame, matrices[place - low]))
            if place % LOOK_EVERY == self.before % LOOK_EVERY:
                self.looks.append(_look(frame, points[place - low]))
        self.inside.extend(shares_inside(frame.shape, matrices[done - low : stop - low]))

    def finish(self, frame_at, shot_stop: int) -> None:
        """Cut what is left; the shot ended before frame `shot_stop`."""
        missing = shot_stop - self.track.last - 1
        self.after = missing if missing <= HOLD else 0
        self.cut(frame_at, self.before + len(self.track.points) + self.after)

    def piece(self, times: np.ndarray) -> Piece:
        """All that was cut, with its times."""
        count = len(self.crops)
        sizes = np.pad(np.asarray(self.track.sizes, np.float32), (self.before, self.after), constant_values=np.nan)
        return Piece(
            self.track.id, self.shot, self.first, np.stack(self.crops), times[self.first : self.first + count],
            self.points(0, count), sizes, np.asarray(self.inside), np.stack(self.looks),
        )  # fmt: skip


def _look(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face upright, (64, 64) uint8 gray, from its points (37, 2)."""
    import cv2

    (matrix,) = fit_similarity(anchors_of(points[None]), REFERENCE * (LOOK / 256))
    patch = cv2.warpAffine(frame, matrix, (LOOK, LOOK), flags=cv2.INTER_LINEAR)
    return cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)
