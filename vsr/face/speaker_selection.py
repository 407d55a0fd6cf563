"""Selects the faces to read: one label per person through all blocks of a video, and the chosen faces of each shot.

Transcripts, voices and pages all use it, so that a face has the same number in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.windows import frame_edges
from vsr.face.identity import People
from vsr.face.piece import MIN_FRAMES, Piece
from vsr.face.pipeline import Block
from vsr.face.skipped import Skipped
from vsr.face.stretches import RESTING
from vsr.media.formats import MAKE_VIDEO

MIN_SEEN = 0.5  # share of its frames in which a bystander must be found: less is a false positive
OUTSIDE, NOT_CHOSEN, HARDLY_SEEN = "out of the picture", "not chosen", "hardly seen"


@dataclass(frozen=True)
class Part:
    """A piece of a block, the number of its face, and why its lips are not read, or None."""

    piece: Piece
    face: int
    reason: str | None

    @property
    def speech(self) -> list[tuple[int, int]]:
        """(start, stop) frames in which its lips speak: for a listener, or for a mask, words would be invented."""
        return [] if self.reason else self.piece.stretches.speech

    def spans(self, window: int) -> list[tuple[int, int]]:
        """(start, stop) frames of about ``window`` that are each read by themselves."""
        return [] if self.reason else self.piece.stretches.spans(window)


class FaceSelector:
    """Labels and selects the faces of a video, block by block.

    Args:
        number: how many faces are chosen in each shot; None for all.
        people: those known from earlier blocks.
        first_shot: number of the first shot of the next block.
    """

    def __init__(self, number: int | None = 1, people: People | None = None, first_shot: int = 0):
        self.number, self.people, self.first_shot = number, people or People(), first_shot

    def parts_of(self, block: Block) -> list[Part]:
        """The parts of the next block, in the order of its pieces."""
        labels = self.people.label(block.pieces, self.first_shot)
        self.first_shot += len(block.shots) - (not block.cut)  # a shot that goes on is the next block's first
        return list(largest_faces(block.pieces, labels, self.number))


def largest_faces(pieces: list[Piece], labels: list[int], number: int | None) -> Iterator[Part]:
    """In each shot the faces that fill most of the frame for longest, and as many of those that speak: the largest may
    be a photograph or listen. One that is not chosen and does not speak is at rest."""
    sizes, speaking = _ranks(pieces, labels, number)
    for piece, face in zip(pieces, labels, strict=True):
        rank = sizes[piece.shot, face]
        left_out = number is not None and rank >= number and speaking[piece.shot, face] >= number
        reasons = {
            OUTSIDE: not piece.inside_frame,
            NOT_CHOSEN: left_out and not _rests(piece),
            RESTING: left_out,
            HARDLY_SEEN: rank > 0 and piece.found < MIN_SEEN,
        }
        yield Part(piece, face, next((reason for reason, applies in reasons.items() if applies), None))


Ranks = dict[tuple[int, int], int]  # (shot, face) -> number of faces before it in this shot


def _ranks(pieces: list[Piece], labels: list[int], number: int | None) -> tuple[Ranks, Ranks]:
    """The ranks of faces by size, and with those that speak before all others; the same if all of them are chosen."""
    weights: dict[tuple[int, int], float] = {}
    speaking: dict[tuple[int, int], bool] = {}
    for piece, face in zip(pieces, labels, strict=True):
        own = piece.shot, face
        weights[own] = weights.get(own, 0.0) + piece.weight * (1.0 if _is_clear(piece) else 1e-9)
        speaking[own] = speaking.get(own, False) or speaks(piece)
    sizes = _ranked(weights)
    if number is None or max(sizes.values(), default=0) < number:
        return sizes, sizes
    return sizes, _ranked({own: (speaking[own], weight) for own, weight in weights.items()})


def _ranked(keys: dict[tuple[int, int], Any]) -> Ranks:
    """How many faces of the same shot have a larger key."""
    return {
        (shot, face): sum(at == shot and other > key for (at, _), other in keys.items())
        for (shot, face), key in keys.items()
    }


def speaks(piece: Piece) -> bool:
    """Whether its mouth can be seen and moves as in speech."""
    return _is_clear(piece) and bool(piece.stretches.speech)


def _is_clear(piece: Piece) -> bool:
    return piece.inside_frame and piece.found >= MIN_SEEN


def _rests(piece: Piece) -> bool:
    """Whether its lips are at rest throughout, and visible."""
    return not piece.stretches.speech and not piece.stretches.covered.any()


def unread(part: Part) -> list[Skipped]:
    """The stretches of a part that are not read."""
    whole = [(0, len(part.piece.crop), part.reason)] if part.reason else []
    return skipped_in(part.face, part.piece.times, whole or part.piece.stretches.skipped)


def skipped_in(face: int, times: np.ndarray, skipped: Iterable[tuple[int, int, str]]) -> list[Skipped]:
    """Stretches (start, stop, reason) of frames at times (T,), in seconds."""
    edges = frame_edges(times)
    return [Skipped(face, float(edges[start]), float(edges[stop]), reason) for start, stop, reason in skipped]


def check_found(path: str | Path, frames: int, tracks: int, reasons: Iterable[str | None], has_speech: bool) -> None:
    """Refuse a video with nothing to read, with the reason.

    Args:
        frames: of the whole video, at 25 fps.
        tracks: number of pieces found in it.
        reasons: for each part why it was not read, or None.
        has_speech: whether anything was read.

    Raises:
        VsrError: too_short, no_face, crop_out_of_frame.
    """
    if frames == 1:
        raise VsrError("too_short", f"{path}: is one picture, lips move in a video; of numbered pictures {MAKE_VIDEO}")
    if frames < MIN_FRAMES:
        raise VsrError("too_short", f"{path}: {frames} frames at 25 fps, at least {MIN_FRAMES} needed")
    if not tracks:
        raise VsrError("no_face", f"{path}: no face is seen for {MIN_FRAMES} frames (half a second)")
    if not has_speech and set(reasons) == {OUTSIDE}:
        raise VsrError("crop_out_of_frame", f"{path}: the mouth is outside the frame")


def number_of_faces(faces: str | int) -> int | None:
    """ "largest", "all" or a number -> how many faces are chosen in each shot; None for all. Raises VsrError."""
    if faces == "all":
        return None
    number = 1 if faces == "largest" else faces
    if not isinstance(number, int) or number < 1:
        raise VsrError("bad_options", f"faces is {faces!r}; it can be 'largest', 'all' or a number from 1 on")
    return number
