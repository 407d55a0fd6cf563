"""From a video to its mouth crops: frames, shots, faces, pieces of crops, identities, and which faces are read.

Transcripts, corpora, pages, reports and voices all use this one route. Live captions cannot wait for the end of a
shot: they use the same tracker and the same `vsr.face.piece.MouthCutter` frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.progress import Watch, report_frames
from vsr.face.detector import Detector, default_detector
from vsr.face.identity import Person
from vsr.face.mouth_points import MouthMesh
from vsr.face.networks import Pool
from vsr.face.piece import Piece
from vsr.face.pipeline import LONGEST, Block, blocks
from vsr.face.requested_points import RequestedPoints, points_again
from vsr.face.speaker_selection import FaceSelector, Part, check_found
from vsr.media.damage import Hole
from vsr.media.reader import VideoInfo, frames_from, frames_of_part, probe
from vsr.media.resample import Position


@dataclass(frozen=True)
class SelectedBlock:
    """A block with identities: its parts in the order of its pieces, the number of its first shot, and the people who
    are new or appear again in it (none with the last block).

    begin: a position from which its frames can be read again, None for the first block of the video.
    """

    block: Block
    parts: list[Part]
    first_shot: int
    people: tuple[Person, ...]
    begin: Position | None


class MouthSource:
    """The blocks of a video, one after the other.

    Args:
        path: the video.
        number: how many faces are chosen in each shot; None for all.
        mesh: also find the points of the mouth.
        on_request: find these points only when they are requested; they are found together with the crops in a block
            after one, of this video or the previous one, in which they were requested.
        watch: called as the video is read.
        detector: of faces; the default detector if not given.
        part: (start, end) in seconds, end 0 for the end of the file.
        whole: make one block of everything, however long.
        selector: identities from earlier blocks, in place of ``number``.
        begin: position in the video to continue from.

    Attributes:
        frames: number of frames so far.
        reasons: for each piece, why it is not read, or None.
        broken: the error of a file that is truncated or damaged, known with the last block.
        holes: (start, end) seconds that are damaged, as far as known with the latest block.

    Raises VsrError unreadable, no_video; for a truncated or damaged file after the last readable block.
    """

    def __init__(
        self, path: str | Path, number: int | None = 1, *, mesh: Pool[MouthMesh] | None = None,
        on_request: bool = False, watch: Watch | None = None, detector: Detector | None = None,
        part: tuple[float, float] = (0.0, 0.0), whole: bool = False, selector: FaceSelector | None = None,
        begin: Position | None = None,
    ):  # fmt: skip
        self.path, self.selector, self.frames = path, selector or FaceSelector(number), 0
        self._known = self.selector.people.persons  # after the last block
        self.reasons: list[str | None] = []
        self.broken: VsrError | None = None
        self.holes: list[Hole] = []
        self._mesh, self._watch, self._detector, self._whole = mesh, watch, detector, whole
        self._part, self._begin = part, begin
        self._on_request = on_request

    @cached_property
    def info(self) -> VideoInfo:
        """Properties of the video. Raises VsrError unreadable, no_video."""
        return probe(self.path)

    def __iter__(self) -> Iterator[SelectedBlock]:
        yield from self.readable_blocks()
        self.check_broken()

    def readable_blocks(self) -> Iterator[SelectedBlock]:
        """The blocks; for a truncated or damaged file, the error is stored in `broken` instead of raised."""
        if any(self._part):
            frames = frames_of_part(self.path, *self._part)
        else:
            frames = frames_from(self.path, self._begin, holes=self.holes)
        if self._watch:
            frames = report_frames(frames, self._watch.progress, self.path, self.info.end)
        longest = None if self._whole else LONGEST
        detector = self._detector or default_detector()
        for block in blocks(self._unless_broken(frames), detector, longest, self._mesh_of_block):
            yield self.select(self._with_requests(block))

    def _unless_broken(self, frames: Iterator) -> Iterator:
        """The frames up to their end or to an error, which is stored in `broken`."""
        try:
            yield from frames
        except VsrError as error:
            self.broken = error

    def check_broken(self) -> None:
        """Raises VsrError if the file is truncated or damaged."""
        if self.broken:
            raise self.broken

    def _mesh_of_block(self) -> Pool[MouthMesh] | None:
        """The mesh for the next block, if points were requested in the last one: they are likely to be requested again,
        and are cheaper to find together with the crops."""
        return self._mesh if self._mesh and (self._mesh.was_requested or not self._on_request) else None

    def _with_requests(self, block: Block) -> Block:
        """The block with mouth points that are found on request, if they are to be."""
        mesh = self._mesh
        if mesh is None or not self._on_request:
            return block
        mesh.was_requested = mesh.was_requested and not block.pieces
        pieces = [replace(piece, mouth=self._requested(block, piece, mesh)) for piece in block.pieces]
        return replace(block, pieces=pieces)

    def _requested(self, block: Block, piece: Piece, mesh: Pool[MouthMesh]) -> RequestedPoints:
        def find() -> np.ndarray:
            mesh.was_requested = True
            if piece.mouth is not None:
                return np.asarray(piece.mouth)
            return points_again(self.path, block.begin, piece.start, piece.points, piece.canvas, mesh)

        return RequestedPoints(cache(find), np.arange(len(piece.crop)))

    def select(self, block: Block) -> SelectedBlock:
        """Assign identities in the next block and choose which faces are read."""
        first_shot, begin = self.selector.first_shot, self._begin
        parts = self.selector.parts_of(block)
        self.frames, self._begin = self.frames + len(block.times), block.next
        self.reasons += [part.reason for part in parts]
        people = () if block.next is None else tuple(self._newly_known())
        return SelectedBlock(block, parts, first_shot, people, begin)

    def _newly_known(self) -> list[Person]:
        """The people who changed since the block before."""
        known = set(self._known)
        self._known = self.selector.people.persons
        return [person for person in self._known if person not in known]

    def collect_error(self, errors: list[VsrError] | None) -> None:
        """Append the error of a truncated or damaged file to a list; without a list it is raised."""
        if errors is None:
            self.check_broken()
        elif self.broken:
            errors.append(self.broken)

    def check(self, has_speech: bool) -> None:
        """Raise the reason why nothing of a video was read, unless something was (``has_speech``).

        Raises VsrError too_short, no_face, crop_out_of_frame; unreadable for a truncated file.
        """
        self.check_broken()
        check_found(self.path, self.frames, len(self.reasons), self.reasons, has_speech)
