"""Long recordings with word times -> pieces that a network can be trained on, cut where the speaker pauses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from vsr.core.clock import FPS

MAX_SECONDS = 16.0  # of a piece, as in published recipes
MARGIN = 0.5  # seconds kept before the first and after the last word where the pause is that long

Word = tuple[str, float, float]


@dataclass(frozen=True)
class Piece:
    """Seconds ``start`` ... ``end`` of a recording, whole frames; the times of ``words`` count from ``start``."""

    start: float
    end: float
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return " ".join(word for word, _, _ in self.words)


def cut_at_pauses(words: Sequence[Word], max_seconds: float = MAX_SECONDS) -> list[Piece]:
    """Cut (word, start, end) rows, in order of time, into pieces of at most ``max_seconds``.

    A piece ends at the longest pause after its half, and in the middle of that pause. A single word longer than
    ``max_seconds`` (an alignment gone wrong) is in no piece.
    """
    pieces, first = [], 0
    while first < len(words):
        start, last = _opening(words, first), first
        fitting = list(_fitting(words, first, start + max_seconds + 1e-6))
        if fitting:
            last = _last(words, fitting, start + max_seconds / 2)
            own = tuple((w, round(max(0.0, a - start), 3), round(b - start, 3)) for w, a, b in words[first : last + 1])
            pieces.append(Piece(start, _closing(words, last), own))
        first = last + 1
    return pieces


def _fitting(words: Sequence[Word], first: int, limit: float) -> Iterator[int]:
    """Words, from ``first`` on, with which a piece may end by ``limit`` seconds."""
    return takewhile(lambda i: _closing(words, i) <= limit, range(first, len(words)))


def _last(words: Sequence[Word], fitting: list[int], half: float) -> int:
    """The word that closes a piece: the very last one if it fits, else the one before the longest pause."""
    if fitting[-1] == len(words) - 1:
        return fitting[-1]
    late = [i for i in fitting if _closing(words, i) >= half] or fitting
    return max(late, key=lambda i: (words[i + 1][1] - words[i][2], i))


def _opening(words: Sequence[Word], i: int) -> float:
    """Where a piece that begins with word i begins."""
    earliest = max(0.0, words[i][1] - MARGIN)
    return _on_frame(max(earliest, _middle(words, i - 1)) if i else earliest)


def _closing(words: Sequence[Word], i: int) -> float:
    """Where a piece that ends with word i ends."""
    latest = words[i][2] + MARGIN
    return _on_frame(min(latest, _middle(words, i)) if i + 1 < len(words) else latest)


def _middle(words: Sequence[Word], i: int) -> float:
    """Middle of the pause after word i."""
    return (words[i][2] + words[i + 1][1]) / 2


def _on_frame(seconds: float) -> float:
    return round(seconds * FPS) / FPS
