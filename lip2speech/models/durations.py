"""How long each unit is said: runs of equal units are one, with their length; lengths that fill a given time exactly.

Shapes: N steps of 50 Hz, U units without repetitions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsr.core.errors import VsrError


def runs(units: Sequence[int]) -> tuple[list[int], list[int]]:
    """(N,) -> the unit of each run, and how many steps it lasts; `repeated` undoes it."""
    found: list[int] = []
    counts: list[int] = []
    for unit in units:
        if found and found[-1] == unit:
            counts[-1] += 1
        else:
            found.append(int(unit))
            counts.append(1)
    return found, counts


def repeated(units: Sequence[int], counts: Sequence[int]) -> list[int]:
    """Each unit as often as its count says."""
    return [unit for unit, count in zip(units, counts, strict=True) for _ in range(count)]


def free(lengths: Sequence[float]) -> list[int]:
    """Lengths (U,) in steps -> whole ones, at least 1 each."""
    return [max(1, round(own)) for own in lengths]


def filling(lengths: Sequence[float], steps: int) -> list[int]:
    """Lengths (U,) -> whole ones of at least 1 that add up to ``steps`` exactly, in proportion to what each has above
    1 (the largest remainders are rounded up).

    Raises VsrError too_short where there are more units than steps.
    """
    if not 0 < len(lengths) <= steps:
        problem = f"{len(lengths)} units have to be said in {steps} steps of 20 ms"
        raise VsrError("too_short", f"{problem}: give --duration free")
    above = np.maximum(np.asarray(lengths, float) - 1, 1e-6)
    shares = above / above.sum() * (steps - len(lengths))
    whole = np.floor(shares + 1e-9).astype(int)
    rest = steps - len(lengths) - int(whole.sum())
    whole[np.argsort(whole - shares, kind="stable")[:rest]] += 1
    return (whole + 1).tolist()
