"""Dynamic time warping (Sakoe and Chiba 1978): alignment of the frames of two recordings of the same words."""

from __future__ import annotations

import numpy as np


def warp(cost: np.ndarray) -> list[tuple[int, int]]:
    """Costs (T, S) of frame pairs -> the cheapest path from (0, 0) to (T - 1, S - 1); steps advance one or both."""
    total = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    total[0, 0] = 0.0
    for i, row in enumerate(cost, 1):
        for j, pair_cost in enumerate(row, 1):
            total[i, j] = pair_cost + min(total[i - 1, j - 1], total[i - 1, j], total[i, j - 1])
    i, j = cost.shape
    path = []
    while i and j:
        path.append((i - 1, j - 1))
        steps = {(i - 1, j - 1): total[i - 1, j - 1], (i - 1, j): total[i - 1, j], (i, j - 1): total[i, j - 1]}
        i, j = min(steps, key=lambda step: steps[step])
    return path[::-1]
