"""Durations of units: run-length coding of repeated units, and rounding of durations to fill a given time exactly.

Shapes: N steps of 50 Hz, U units without repetitions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsr.core.errors import VsrError


def runs(units: Sequence[int]) -> tuple[list[int], list[int]]:
    """The unit of each run of (N,) units, and its length in steps; `repeat_units` is the inverse."""
    run_units: list[int] = []
    counts: list[int] = []
    for unit in units:
        if run_units and run_units[-1] == unit:
            counts[-1] += 1
        else:
            run_units.append(int(unit))
            counts.append(1)
    return run_units, counts


def repeat_units(units: Sequence[int], counts: Sequence[int]) -> list[int]:
    """Each unit repeated ``count`` times."""
    return [unit for unit, count in zip(units, counts, strict=True) for _ in range(count)]


def rounded_durations(lengths: Sequence[float]) -> list[int]:
    """Round lengths (U,) in steps to whole numbers of at least 1."""
    return [max(1, round(length)) for length in lengths]


def durations_filling(lengths: Sequence[float], steps: int) -> list[int]:
    """Scale lengths (U,) to whole numbers of at least 1 that sum to ``steps``, in proportion to the excess of each over
    1 (the largest remainders are rounded up).

    Raises VsrError too_short where there are more units than steps.
    """
    if not 0 < len(lengths) <= steps:
        problem = f"{len(lengths)} units have to be said in {steps} steps of 20 ms"
        raise VsrError("too_short", f"{problem}: give --duration free")
    excess = np.maximum(np.asarray(lengths, float) - 1, 1e-6)
    shares = excess / excess.sum() * (steps - len(lengths))
    counts = np.floor(shares + 1e-9).astype(int)
    remaining = steps - len(lengths) - int(counts.sum())
    counts[np.argsort(counts - shares, kind="stable")[:remaining]] += 1
    return (counts + 1).tolist()
