"""The mouth crops of a whole clip, of one person or of everybody, for training and synthesis.

Shapes: crop (T, 96, 96) uint8 gray; times (T,) seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.numbers import NOT_NEGATIVE, check_number
from vsr.core.required import required
from vsr.face.detector import Detector
from vsr.face.mouth_points import MouthMesh
from vsr.face.mouth_source import MouthSource
from vsr.face.networks import Pool
from vsr.face.piece import HOLD, Piece
from vsr.face.requested_points import RequestedPoints
from vsr.face.speaker_selection import MIN_SEEN, Part, check_found, speaks
from vsr.face.stretches import Stretches, stretches_of
from vsr.media.reader import VideoInfo
from vsr.media.resample import Position


@dataclass(frozen=True)
class MouthClip:
    """The mouth of one person. crop (T, 96, 96) uint8 gray at 25 fps; times (T,) seconds in the original file;
    face: label of the person; found: share of frames with a detection; gaps: (first, last) crop frames that were
    interpolated or held; points (T, 37, 2) float32 pixels: the landmarks with gaps filled, None for a crop without
    its video; begin: a position in the video from which its frames can be read again, None for the start; canvas: shape
    of the frames whose pixels the points are in, where the resolution of the video changes; mouth (T, 14, 2) float32
    pixels: the points of `vsr.face.mouth_points`, as `vsr.face.piece.Piece` has them; piece: the piece of the
    video that it was made from, which tells how well the face was seen."""

    crop: np.ndarray
    times: np.ndarray
    info: VideoInfo
    face: int
    found: float
    gaps: list[tuple[int, int]]
    points: np.ndarray | None = None
    begin: Position | None = None
    canvas: tuple[int, ...] | None = None
    mouth: np.ndarray | RequestedPoints | None = None
    piece: Piece | None = None

    @property
    def landmarks(self) -> np.ndarray:
        """`points`. Raises ValueError for a crop without its video."""
        if self.points is None:
            raise ValueError(f"{self.info.path}: a crop without its video has no landmarks")
        return self.points

    def mouth_of(self, start: int, stop: int) -> np.ndarray | RequestedPoints | None:
        """The points of the mouth in a part of its frames, if they are known."""
        return None if self.mouth is None else self.mouth[start:stop]

    @cached_property
    def stretches(self) -> Stretches | None:
        """Its stretches of speech and rest; None for a crop without its video, which counts as speech throughout."""
        return None if self.points is None else stretches_of(self.crop, self.points, self.found, self.times)

    @property
    def speech(self) -> list[tuple[int, int]]:
        """(start, stop) frames that are read and voiced."""
        return [(0, len(self.crop))] if self.stretches is None else self.stretches.speech


def crop_video(
    path: str | Path, detector: Detector | None = None, faces: str = "largest", start: float = 0.0, end: float = 0.0,
    mesh: Pool[MouthMesh] | None = None, on_request: bool = False,
) -> MouthClip:  # fmt: skip
    """The mouth of the person who fills the screen most ("largest") or who is seen longest ("longest"), of those who
    speak if any do.

    ``start`` and ``end`` (seconds, end 0: the end of the file) select a part of the video; ``mesh`` and ``on_request``,
    for the points of the mouth, are those of `vsr.face.mouth_source.MouthSource`.

    Raises VsrError: unreadable, no_video, too_short (under 12 frames), no_face, crop_out_of_frame.
    """
    if faces not in ("largest", "longest"):
        raise ValueError(f"faces is 'largest' or 'longest', not {faces!r}")
    for name, seconds in (("start", start), ("end", end)):
        check_number(name, seconds, NOT_NEGATIVE, "bad_options")
    part = (start, end)
    source = MouthSource(path, mesh=mesh, on_request=on_request, detector=detector, part=part, whole=True)
    times, parts = _everybody(source)
    best = max(parts, key=lambda own: (speaks(own.piece), _prominence(own.piece, faces)))
    return clip_of(path, source.info, _prolonged(best.piece, times), best.face)


def _prominence(piece: Piece, faces: str) -> float:
    """By which people are compared."""
    return float(piece.seen.sum()) if faces == "longest" else piece.weight


def crop_tracks(
    path: str | Path, detector: Detector | None = None, mesh: Pool[MouthMesh] | None = None,
    errors: list[VsrError] | None = None,
) -> list[MouthClip]:  # fmt: skip
    """The mouth of every person seen for at least 12 frames, those who speak first, of them who fills the screen most;
    with ``mesh`` the points of the mouth are found on request.

    People whose mouth is out of the frame are left out; if nobody remains, the errors are those of
    `crop_video`. If a list ``errors`` is given, the readable part of a truncated or damaged file is cropped, and its
    error is appended.
    """
    source = MouthSource(path, mesh=mesh, on_request=True, detector=detector, whole=True)
    clips, refusal = [], None
    parts = _everybody(source, errors)[1]
    first, *others = sorted(parts, key=lambda own: (speaks(own.piece), own.piece.weight), reverse=True)
    for part in [first, *(own for own in others if own.piece.found >= MIN_SEEN)]:
        try:
            clips.append(clip_of(path, source.info, part.piece, part.face))
        except VsrError as error:
            refusal = refusal or error
    if refusal is not None and not clips:
        raise refusal
    return clips


def _everybody(source: MouthSource, errors: list[VsrError] | None = None) -> tuple[np.ndarray, list[Part]]:
    """Times of all frames of a video in one block, and everybody in it. Raises VsrError too_short or no_face."""
    own = next(source.readable_blocks(), None)
    if own is None or not own.parts:
        source.check_broken()
    source.collect_error(errors)
    check_found(source.path, source.frames, len(source.reasons), source.reasons, True)
    found = required(own, f"what was read of {source.path}")
    return found.block.times, found.parts


def _prolonged(piece: Piece, times: np.ndarray) -> Piece:
    """The piece, extended by up to a second of repeated frames at either end of the clip with these ``times`` (n,).

    Some recordings begin with frames of the shot before; the words of a corpus are timed from the first of them.
    """
    before, after = piece.start, len(times) - piece.start - len(piece.crop)
    pad = (before if before <= HOLD else 0, after if after <= HOLD else 0)
    if not any(pad):
        return piece
    still = ((0, 0), (0, 0))
    return replace(
        piece, start=piece.start - pad[0], crop=np.pad(piece.crop, (pad, *still), mode="edge"),
        times=times[piece.start - pad[0] : piece.start + len(piece.crop) + pad[1]],
        points=np.pad(piece.points, (pad, *still), mode="edge"),
        sizes=np.pad(piece.sizes, pad, constant_values=np.nan), inside=np.pad(piece.inside, pad, mode="edge"),
        mouth=_extended(piece.mouth, *pad),
    )  # fmt: skip


def _extended(
    mouth: np.ndarray | RequestedPoints | None, before: int, after: int
) -> np.ndarray | RequestedPoints | None:
    """The points of a mouth, extended by this many repeated frames at either end."""
    if isinstance(mouth, RequestedPoints):
        return mouth.extended(before, after)
    return None if mouth is None else np.pad(mouth, ((before, after), (0, 0), (0, 0)), mode="edge")


def clip_of(path: str | Path, info: VideoInfo, piece: Piece, face: int, begin: Position | None = None) -> MouthClip:
    """A piece as a clip of its own; ``begin``: a position before it. Raises VsrError crop_out_of_frame."""
    if not piece.inside_frame:
        raise VsrError("crop_out_of_frame", f"{path}: the mouth of face {face} is outside the frame")
    gaps = _runs(~piece.seen)
    own = (piece.points, begin, piece.canvas, piece.mouth, piece)
    return MouthClip(piece.crop, piece.times, info, face, piece.found, gaps, *own)


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(first), int(stop) - 1) for first, stop in zip(edges[::2], edges[1::2], strict=True)]
