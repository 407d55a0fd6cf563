"""Cuts long recordings with word times at the speaker's pauses into pieces suitable for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from vsr.core.clock import FPS

MAX_SECONDS = 16.0  # of a piece, as in published recipes
MARGIN = 0.5  # seconds kept before the first and after the last word, if the pause is that long

Word = tuple[str, float, float]


@dataclass(frozen=True)
class Piece:
    """A part of a recording, from ``start`` to ``end`` seconds on frame borders; times of ``words`` are relative to
    ``start``."""

    start: float
    end: float
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return " ".join(word for word, _, _ in self.words)


def cut_at_pauses(words: Sequence[Word], max_seconds: float = MAX_SECONDS) -> list[Piece]:
    """Cut (word, start, end) rows, in order of time, into pieces of at most ``max_seconds``.

    A piece ends in the middle of the longest pause in its second half. A single word longer than ``max_seconds``, from
    a wrong alignment, is in no piece.
    """
    pieces, first = [], 0
    while first < len(words):
        start, last = _opening(words, first), first
        fitting = list(_fitting(words, first, start + max_seconds + 1e-6))
        if fitting:
            last = _last(words, fitting, start + max_seconds / 2)
            shifted = tuple(
                (word, round(max(0.0, begin - start), 3), round(end - start, 3))
                for word, begin, end in words[first : last + 1]
            )
            pieces.append(Piece(start, _closing(words, last), shifted))
        first = last + 1
    return pieces


def _fitting(words: Sequence[Word], first: int, limit: float) -> Iterator[int]:
    """Words, from ``first`` on, after which a piece can end within ``limit`` seconds."""
    return takewhile(lambda i: _closing(words, i) <= limit, range(first, len(words)))


def _last(words: Sequence[Word], fitting: list[int], half: float) -> int:
    """The last word of a piece: of the recording if it fits, else the one before the longest pause."""
    if fitting[-1] == len(words) - 1:
        return fitting[-1]
    late = [i for i in fitting if _closing(words, i) >= half] or fitting
    return max(late, key=lambda i: (words[i + 1][1] - words[i][2], i))


def _opening(words: Sequence[Word], i: int) -> float:
    """Start of a piece that begins with word i."""
    earliest = max(0.0, words[i][1] - MARGIN)
    return _on_frame(max(earliest, _middle(words, i - 1)) if i else earliest)


def _closing(words: Sequence[Word], i: int) -> float:
    """End of a piece that ends with word i."""
    latest = words[i][2] + MARGIN
    return _on_frame(min(latest, _middle(words, i)) if i + 1 < len(words) else latest)


def _middle(words: Sequence[Word], i: int) -> float:
    """Middle of the pause after word i."""
    return (words[i][2] + words[i + 1][1]) / 2


def _on_frame(seconds: float) -> float:
    return round(seconds * FPS) / FPS
