"""Bootstrap intervals of a rate: utterances are drawn with replacement (Bisani and Ney 2004)."""

from __future__ import annotations

import random
from collections.abc import Sequence

RESAMPLES = 1000


def rate_interval(rows: Sequence[tuple[int, int]], level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """(low, high) of summed errors over summed units; ``rows``: (errors, units) of each utterance."""
    rng, rates = random.Random(seed), []
    for _ in range(RESAMPLES):
        sample = rng.choices(rows, k=len(rows))
        rates.append(sum(errors for errors, _ in sample) / max(1, sum(units for _, units in sample)))
    rates.sort()
    tail = (1 - level) / 2
    return rates[int(tail * RESAMPLES)], rates[int((1 - tail) * RESAMPLES) - 1]
