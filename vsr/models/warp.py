"""Dynamic time warping (Sakoe and Chiba 1978): which frames of two recordings of the same words go together."""

from __future__ import annotations

import numpy as np


def warp(cost: np.ndarray) -> list[tuple[int, int]]:
    """Costs (T, S) of each pair -> the cheapest path from (0, 0) to (T - 1, S - 1); a step goes on in one or both."""
    total = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    total[0, 0] = 0.0
    for i, row in enumerate(cost, 1):
        for j, own in enumerate(row, 1):
            total[i, j] = own + min(total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
    i, j = cost.shape
    path = []
    while i and j:
        path.append((i - 1, j - 1))
        steps = {(i - 1, j - 1): total[i - 1, j - 1], (i - 1, j): total[i - 1, j], (i, j - 1): total[i, j - 1]}
        i, j = min(steps, key=lambda place: steps[place])
    return path[::-1]
