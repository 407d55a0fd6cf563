"""The one route from a video to its mouth crops: frames, shots, faces, pieces of crops, who is who, whose lips count.

Transcripts, corpora, pages, reports and voices all read it. Captions of a camera cannot wait for the end of a shot:
they take mouths from the same tracker by the same `vsr.face.piece.MouthCutter`, frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.progress import Watch, watched
from vsr.face.detector import Detector, default_detector
from vsr.face.identity import Person
from vsr.face.mouth_points import MouthMesh
from vsr.face.networks import Stock
from vsr.face.piece import Piece
from vsr.face.pipeline import LONGEST, Block, blocks
from vsr.face.requested_points import RequestedPoints, points_again
from vsr.face.speaker_selection import Casting, Part, check_found
from vsr.media.damage import Hole
from vsr.media.reader import VideoInfo, frames_from, frames_of_part, probe
from vsr.media.resample import Position


@dataclass(frozen=True)
class CastBlock:
    """A block, its parts in the order of its pieces, the number of its first shot, and the people who are new in it or
    were seen again; begin: a place from which its frames can be had again, None for the first of the video."""

    block: Block
    parts: list[Part]
    first_shot: int
    people: tuple[Person, ...]
    begin: Position | None


class MouthSource:
    """The blocks of a video, one by one; what has gone by is counted.

    Args:
        path: the video.
        number: how many faces are chosen in each shot; None for all.
        mesh: asks for the points of the mouth, too; on_request: they are found when they are looked at, and with the
            crops only in a block after one in which they were, of this video or of the one before.
        watch: called as the video is read.
        detector: of faces; the usual one where not given.
        part: (start, end) in seconds, end 0 for the end of the file.
        whole: one block of everything, however long.
        casting: what is known of the faces of earlier blocks, in place of ``number``; begin: where to go on.

    Attributes:
        frames: how many have gone by; reasons: for each piece why it is not read, or None; broken: where the file
            breaks off or is damaged, the error that says so, known with the last block; holes: (start, end) seconds in
            which it is damaged, of those known with the latest block.

    Raises VsrError unreadable, no_video: of a file that breaks off or is damaged after the last block of what there is.
    """

    def __init__(
        self, path: str | Path, number: int | None = 1, *, mesh: Stock[MouthMesh] | None = None,
        on_request: bool = False, watch: Watch | None = None, detector: Detector | None = None,
        part: tuple[float, float] = (0.0, 0.0), whole: bool = False, casting: Casting | None = None,
        begin: Position | None = None,
    ):  # fmt: skip
        self.path, self.casting, self.frames = path, casting or Casting(number), 0
        self.reasons: list[str | None] = []
        self.broken: VsrError | None = None
        self.holes: list[Hole] = []
        self._mesh, self._watch, self._detector, self._whole = mesh, watch, detector, whole
        self._part, self._begin = part, begin
        self._on_request = on_request

    @cached_property
    def info(self) -> VideoInfo:
        """Of the video. Raises VsrError unreadable, no_video."""
        return probe(self.path)

    def __iter__(self) -> Iterator[CastBlock]:
        yield from self.to_the_break()
        self.check_broken()

    def to_the_break(self) -> Iterator[CastBlock]:
        """The blocks; where the file breaks off or is damaged, `broken` says so instead of an error."""
        if any(self._part):
            frames = frames_of_part(self.path, *self._part)
        else:
            frames = frames_from(self.path, self._begin, holes=self.holes)
        if self._watch:
            frames = watched(frames, self._watch.progress, self.path, self.info.end)
        longest = None if self._whole else LONGEST
        detector = self._detector or default_detector()
        for block in blocks(self._unless_broken(frames), detector, longest, self._mesh_of_block):
            yield self.cast(self._with_requests(block))

    def _unless_broken(self, frames: Iterator) -> Iterator:
        """The frames up to where they end, by an error or not."""
        try:
            yield from frames
        except VsrError as error:
            self.broken = error

    def check_broken(self) -> None:
        """Raises VsrError where the file breaks off or is damaged."""
        if self.broken:
            raise self.broken

    def _mesh_of_block(self) -> Stock[MouthMesh] | None:
        """For the next block: what was asked for in the one before will be again, and costs less with the crops."""
        return self._mesh if self._mesh and (self._mesh.asked or not self._on_request) else None

    def _with_requests(self, block: Block) -> Block:
        """The block, the points of whose mouths are found on request, if so they are."""
        mesh = self._mesh
        if mesh is None or not self._on_request:
            return block
        mesh.asked = mesh.asked and not block.pieces
        pieces = [replace(piece, mouth=self._requested(block, piece, mesh)) for piece in block.pieces]
        return replace(block, pieces=pieces)

    def _requested(self, block: Block, piece: Piece, mesh: Stock[MouthMesh]) -> RequestedPoints:
        def find() -> np.ndarray:
            mesh.asked = True
            if piece.mouth is not None:
                return np.asarray(piece.mouth)
            return points_again(self.path, block.begin, piece.start, piece.points, piece.canvas, mesh)

        return RequestedPoints(cache(find), np.arange(len(piece.crop)))

    def cast(self, block: Block) -> CastBlock:
        """Who is who in the next block, and whose lips count."""
        first_shot, known, begin = self.casting.first_shot, set(self.casting.people.persons), self._begin
        parts = self.casting.of(block)
        self.frames, self._begin = self.frames + len(block.times), block.next
        self.reasons += [part.reason for part in parts]
        people = tuple(person for person in self.casting.people.persons if person not in known)
        return CastBlock(block, parts, first_shot, people, begin)

    def let_pass(self, broken: list[VsrError] | None) -> None:
        """Where the file breaks off or is damaged, give the error to a list; without one it is raised."""
        if broken is None:
            self.check_broken()
        elif self.broken:
            broken.append(self.broken)

    def check(self, read: bool) -> None:
        """Refuse a video in which there was nothing to read, with the reason; ``read``: whether anything was.

        Raises VsrError too_short, no_face, crop_out_of_frame; unreadable where the file breaks off.
        """
        self.check_broken()
        check_found(self.path, self.frames, len(self.reasons), self.reasons, read)
