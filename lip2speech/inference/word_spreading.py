"""Times for the words of a script that the lips do not say: they share the frames between those that fit."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

LEAST = 2  # frames of a word that is spread


def spread(
    spans: Sequence[tuple[float, float]], fits: Sequence[bool], scores: Sequence[float | None], letters: Sequence[int],
    bounds: tuple[float, float],
) -> tuple[list[tuple[float, float]], list[bool]]:  # fmt: skip
    """Words that do not fit share the frames between their neighbours that do, in proportion to their letters.

    If that leaves fewer than `LEAST` frames for each, a neighbour is spread with them, the one that fits worse first.
    ``bounds``: (start, end) in frames of the speech.

    Returns:
        (start, end) of all words in frames, in order and without overlap, and which of them kept their place.
    """
    spans, fits = list(spans), list(fits)
    while tight := next((run for run in _runs(fits) if _room(run, spans, bounds) < LEAST * (run[1] - run[0])), None):
        beside = [k for k in (tight[0] - 1, tight[1]) if 0 <= k < len(spans)]
        if not beside:
            break
        fits[min(beside, key=lambda k: score_or_minus_infinity(scores[k]))] = False
    for first, stop in _runs(fits):
        low, high = _between(first, stop, spans, bounds)
        edges = low + (high - low) * np.cumsum([0, *letters[first:stop]]) / sum(letters[first:stop])
        spans[first:stop] = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    return spans, fits


def score_or_minus_infinity(score: float | None) -> float:
    """The mean log-probability, or minus infinity for None."""
    return -math.inf if score is None else score


def _runs(fits: Sequence[bool]) -> list[tuple[int, int]]:
    """(first, one past the last) of each run of words that do not fit."""
    edges = np.flatnonzero(np.diff([0, *(int(not fit) for fit in fits), 0])).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _between(first: int, stop: int, spans: Sequence[tuple[float, float]], bounds) -> tuple[float, float]:
    """The frames at which the word before a run ends and the word after it begins."""
    return (spans[first - 1][1] if first else bounds[0]), (spans[stop][0] if stop < len(spans) else bounds[1])


def _room(run: tuple[int, int], spans: Sequence[tuple[float, float]], bounds) -> float:
    low, high = _between(*run, spans, bounds)
    return high - low
