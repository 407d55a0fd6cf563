"""From a stream of frames to shots, face tracks and pieces of mouth crops.

A video is processed in blocks of 20 to 60 seconds. Blocks share nothing but the position at which the next one begins,
so a block gives the same pieces whether a run begins with it or long before it: a killed run can be resumed, and memory
stays constant. A block ends at a change of shot, or else after a minute; the next one then begins two seconds earlier,
so that words at the border are complete in one of the two.

Shapes: frame (H, W, 3) uint8; times (n,) seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from vsr.core.clock import FPS
from vsr.face.detector import Detector
from vsr.face.dissolves import split
from vsr.face.geometry import SMOOTHING
from vsr.face.mouth_points import MouthMesh
from vsr.face.networks import Pool
from vsr.face.piece import MIN_FRAMES, Cutter, Piece
from vsr.face.shots import FLASH, REACH, REPEATS, mark_shots
from vsr.face.tracker import MAX_GAP, OpenTrack, Tracker
from vsr.media.resample import Position

SHORTEST, LONGEST = 20 * FPS, 60 * FPS  # frames of a block
OVERLAP = 2 * FPS  # frames that two blocks of one shot share
TOGETHER = 8  # frames that are cropped at once
# Frames kept: the longest gap that may yet be bridged, and as many as the shot detector is behind.
KEPT = MAX_GAP + SMOOTHING + 2 * TOGETHER + FLASH + (REACH + 1) * (REPEATS + 1)


@dataclass(frozen=True)
class Block:
    """A processed stretch of video. times (n,) seconds of its frames; begin: position of the first; shots: the frames
    at which shots begin (frame 0 counts, even if its shot began in the block before); next: position at which the next
    block begins, None after the last; cut: whether a shot begins there."""

    times: np.ndarray
    begin: Position
    shots: tuple[int, ...]
    pieces: list[Piece]
    next: Position | None
    cut: bool


def blocks(
    frames: Iterable[tuple[np.ndarray, Position]], detector: Detector, longest: int | None = LONGEST,
    mesh: Callable[[], Pool[MouthMesh] | None] = lambda: None,
) -> Iterator[Block]:  # fmt: skip
    """Process (frame, position) pairs; `longest` None makes one block of everything. ``mesh`` is called before each
    block; if it returns a mesh, the pieces have the points of the mouth, too."""
    source = _Rewindable(frames)
    while source.has_more():
        yield _BlockReader(source, detector, longest, mesh()).read()


class _Rewindable:
    """An iterator of frames whose last ones can be read again."""

    def __init__(self, frames: Iterable):
        self._frames = iter(frames)
        self._kept: deque = deque(maxlen=KEPT + OVERLAP)
        self._num_read = self.at = 0  # frames taken from the iterator; number of the next frame given

    def __iter__(self) -> _Rewindable:
        return self

    def __next__(self) -> tuple:
        """(frame, (number, position))."""
        if self.at == self._num_read:
            self._kept.append(next(self._frames))
            self._num_read += 1
        frame, place = self[self.at]
        self.at += 1
        return frame, (self.at - 1, place)

    def __getitem__(self, number: int) -> tuple:
        return self._kept[number - self._num_read]

    def has_more(self) -> bool:
        """Whether there is another frame."""
        if next(self, None) is None:
            return False
        self.at -= 1
        return True


class _BlockReader:
    """Reads one block from `source`, up to where the next begins. Frames are counted from the start of the block."""

    def __init__(self, source: _Rewindable, detector: Detector, longest: int | None, mesh: Pool[MouthMesh] | None):
        self.source, self.longest, self.base, self.mesh = source, longest, source.at, mesh
        self.tracker = Tracker(detector)
        self.cutters: dict[int, Cutter] = {}
        self.pieces: list[Piece] = []
        self.shots: list[int] = []
        self.times: list[float] = []

    def read(self) -> Block:
        """The block."""
        flow = mark_shots(self.source)
        item: tuple[Any, bool, Any] | None = next(flow)
        while item is not None:
            following = next(flow, None)
            self._add_frame(*item, last=following is None or following[1])
            item = following
            if item is None or not self._full(item[1]):
                continue
            return self._end_block(cut=item[1])
        self._close(self.tracker.cut())
        return self._block(None, True)

    def _full(self, cut: bool) -> bool:
        count = len(self.times)
        return self.longest is not None and (count >= self.longest or (cut and count >= SHORTEST))

    def _end_block(self, cut: bool) -> Block:
        self._close(self.tracker.cut())
        self.source.at = self.base + len(self.times) - (0 if cut else OVERLAP)
        return self._block(self.source[self.source.at][1], cut)

    def _block(self, following: Position | None, cut: bool) -> Block:
        pieces = sorted(self.pieces, key=lambda piece: piece.track)
        return Block(np.asarray(self.times), self.begin, tuple(self.shots), pieces, following, cut)

    def _add_frame(self, frame: np.ndarray, is_first: bool, place: tuple[int, Position], last: bool) -> None:
        """Add a frame: detect faces, and cut the crops that are determined by now."""
        index = len(self.times)
        if not index:
            self.begin = place[1]
        if is_first:
            self._close(self.tracker.cut())
            self.shots.append(index)
        self.times.append(place[1].time)
        self._close(self.tracker.look(frame, index, last))
        for track in self.tracker.tracks:
            cutter = self.cutters.get(track.id) or self._cutter(track)
            cutter.follow(self._frame)
            if index % TOGETHER == 0:
                cutter.take(self._frame, cutter.ready)

    def _cutter(self, track: OpenTrack) -> Cutter:
        """The cutter of a new track."""
        return self.cutters.setdefault(track.id, Cutter(track, len(self.shots) - 1, self.shots[-1], self.mesh))

    def _frame(self, index: int) -> np.ndarray:
        return self.source[self.base + index][0]

    def _close(self, tracks: list[OpenTrack]) -> None:
        """Turn ended tracks into pieces, if they are long enough."""
        for track in tracks:
            cutter = self.cutters.pop(track.id, None)
            if cutter is not None and np.isfinite(track.sizes).sum() >= MIN_FRAMES:
                cutter.finish(self._frame, len(self.times))
                self.pieces.extend(split(cutter.piece(np.asarray(self.times))))
