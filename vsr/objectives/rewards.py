"""Rewards of a hypothesis: edits against the reference, in total and by token.

Shapes: U tokens of a hypothesis, S steps (with the end), W windows of steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def prefix_edits(hypothesis: Sequence[int], reference: Sequence[int]) -> np.ndarray:
    """Edit distance of each prefix of the hypothesis, from the empty prefix on, to the whole reference: (U + 1,).

    One table for all prefixes; within a row, insertions are a running minimum.
    """
    positions = np.arange(len(reference) + 1)
    row, target, distances = positions.copy(), np.asarray(reference, dtype=np.int64), [len(reference)]
    for count, token in enumerate(hypothesis, 1):
        cheapest = np.minimum(row[1:] + 1, row[:-1] + (target != token))
        row = np.minimum.accumulate(np.concatenate([[count], cheapest]) - positions) + positions
        distances.append(int(row[-1]))
    return np.array(distances)


def step_rewards(hypothesis: Sequence[int], reference: Sequence[int]) -> np.ndarray:
    """Reduction of the edit distance by each token, over the length of the reference: (U,), whose sum is 1 - CER."""
    return -np.diff(prefix_edits(hypothesis, reference)) / max(1, len(reference))


def window_sums(values: Tensor, steps: int, kernel: int, stride: int) -> Tensor:
    """Sums of the first ``steps`` values over windows of ``kernel`` at every ``stride``, the last at the end: (W,).

    A kernel of 0, or longer than ``steps``, makes one window of all steps.
    """
    size = min(kernel or steps, steps)
    starts = list(range(0, steps - size + 1, stride))
    starts += [steps - size] if starts[-1] != steps - size else []
    summed = torch.cat([values.new_zeros(1), values[:steps].cumsum(0)])
    begin = torch.tensor(starts, device=values.device)
    return summed[begin + size] - summed[begin]


def edits(hypothesis: Sequence, reference: Sequence) -> int:
    """Edit distance of two sequences of tokens or words."""
    ids = {unit: index for index, unit in enumerate(dict.fromkeys([*hypothesis, *reference]))}
    return int(prefix_edits([ids[unit] for unit in hypothesis], [ids[unit] for unit in reference])[-1])
