"""Splitting of tracks that pass from one person to another in a dissolve, where there is no cut and nothing moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from vsr.face import likeness
from vsr.face.piece import MIN_FRAMES, Piece


def split(piece: Piece) -> Iterator[Piece]:
    """Yield the piece, or one piece per person without the frames of the dissolve."""
    change = likeness.measure().changes(piece.images)
    if change is None:
        yield piece
        return
    stop, start = piece.image_frames[change[0]] + 1, piece.image_frames[change[1]]
    for part in (_part(piece, 0, int(stop)), _part(piece, int(start), len(piece.crop))):
        if len(part.crop) >= MIN_FRAMES:
            yield from split(part)


def _part(piece: Piece, start: int, stop: int) -> Piece:
    """Frames ``start`` to ``stop`` of a piece."""
    among = (piece.image_frames >= start) & (piece.image_frames < stop)
    return replace(
        piece, start=piece.start + start, crop=piece.crop[start:stop], times=piece.times[start:stop],
        points=piece.points[start:stop], sizes=piece.sizes[start:stop], inside=piece.inside[start:stop],
        images=piece.images[among], image_frames=np.asarray(piece.image_frames)[among] - start,
        mouth=piece.mouth_of(start, stop),
    )  # fmt: skip
