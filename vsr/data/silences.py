"""Silence round the words of a track, for published tracks that begin with the first word and end with the last.

The silence comes from clips of the same list that have it: the movement of their lips to the first word, and from the
last, is transferred to another face. Shapes: as in `vsr.data.mouth_track`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsr.data.manifest import Clip
from vsr.data.mouth_track import Track, join_tracks, span_of
from vsr.face.mouth_features import with_changes

SHORTEST = 4  # frames; shorter silences are not stored


class Silences:
    """Mouth movements before the first word and after the last, relative to that word, in mouth widths."""

    def __init__(self, clips: Sequence[Clip], tracks: Sequence[Track]):
        self.before, self.after = [], []
        for clip, track in zip(clips, tracks, strict=True):
            first, last = span_of(clip)
            if clip.words and SHORTEST <= first < len(track):
                self.before.append(_relative_movement(track[:first], track[first : first + 1], track.width))
            if clip.words and last <= len(track) - SHORTEST:
                self.after.append(_relative_movement(track[last:], track[last - 1 : last], track.width))

    def with_silences(self, track: Track, probability: float, rng: np.random.Generator) -> tuple[int, Track]:
        """(number of frames added before the words, the track with silence around its words)."""
        width = track.width
        before, after = (_draw(movements, probability, rng) for movements in (self.before, self.after))
        parts = [track]
        if before is not None:
            start = before[len(before) - _length(before, rng) :]
            parts.insert(0, _placed_at(start, track[:1], width))
        if after is not None:
            parts.append(_placed_at(after[: _length(after, rng)], track[-1:], width))
        whole = join_tracks(parts)
        whole.measures[:, :6] = np.maximum(whole.measures[:, :6], 0)
        return len(parts[0]) if before is not None else 0, Track(whole.points, with_changes(whole.measures))


def _relative_movement(track: Track, origin: Track, width: float) -> Track:
    return Track((track.points - origin.points) / width, track.measures - origin.measures)


def _placed_at(movement: Track, origin: Track, width: float) -> Track:
    return Track((origin.points + movement.points * width).astype(np.float32), origin.measures + movement.measures)


def _draw(movements: list[Track], probability: float, rng: np.random.Generator) -> Track | None:
    return movements[rng.integers(len(movements))] if movements and rng.random() < probability else None


def _length(movement: Track, rng: np.random.Generator) -> int:
    """The whole length, or in half of the cases a random part."""
    return int(rng.integers(0, len(movement) + 1)) if rng.random() < 0.5 else len(movement)
