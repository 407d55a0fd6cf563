"""Join the words of overlapping windows, so that clips of any length are read in bounded memory.

A model is trained on clips of a few seconds, and attention grows with the square of the length.  So a long
clip is read in windows of equal length, and where two windows overlap a seam decides which window's words are kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from vsr.output.transcript import TimedWord


def middle(word: TimedWord) -> float:
    """The middle of a word in seconds, which decides on which side of a seam it lies."""
    return (word.start + word.end) / 2


def best_seam(left: Sequence[TimedWord], right: Sequence[TimedWord], begin: float, end: float) -> float:
    """The time in the overlap [begin, end] (seconds) at which the right window's words replace the left's.

    The left window keeps the words whose middle lies before the seam, the right one the others.  The best seam
    cuts and duplicates the fewest words; among several, the one nearest to the middle of the overlap, where both
    windows have most context.
    """
    centre = (begin + end) / 2
    edges = {edge for word in (*left, *right) for edge in (word.start, word.end) if begin < edge < end}

    def cost(seam: float) -> tuple[int, float]:
        return _harm(left, right, seam), abs(seam - centre)

    return min({centre, *edges}, key=cost)


def _harm(left: Sequence[TimedWord], right: Sequence[TimedWord], seam: float) -> int:
    """How many words the seam cuts or duplicates."""
    num_cut = sum(word.start < seam < word.end for word in (*left, *right))
    left_words = [word for word in left if middle(word) < seam]
    right_words = [word for word in right if middle(word) >= seam]
    if not left_words or not right_words:
        return num_cut
    last, first = left_words[-1], right_words[0]
    return num_cut + (last.word == first.word and last.end > first.start)


def keep_between(words: Sequence[TimedWord], begin: float, end: float) -> tuple[TimedWord, ...]:
    """The words whose middle is in [begin, end), seconds."""
    return tuple(word for word in words if begin <= middle(word) < end)


def seams(readings: Sequence[Sequence[TimedWord]], overlaps: Sequence[tuple[float, float]]) -> list[float]:
    """The borders between consecutive windows' words, seconds: one more than there are windows.

    Args:
        readings: each window's words, in original time.
        overlaps: (begin, end) of the overlap of windows i and i+1, seconds.
    """
    pairs = zip(readings[:-1], readings[1:], overlaps, strict=True)
    inner = [best_seam(left, right, begin, end) for left, right, (begin, end) in pairs]
    return [float("-inf"), *inner, float("inf")]
