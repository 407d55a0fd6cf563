"""What a hypothesis is worth: edits against the reference, as a whole and token after token.

Shapes: U tokens of a hypothesis, S steps (with the end), W windows of steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def prefix_edits(hypothesis: Sequence[int], reference: Sequence[int]) -> np.ndarray:
    """Edit distance of each prefix of the hypothesis, from the empty one on, to the whole reference: (U + 1,).

    One table for all prefixes; within a row, insertions run along it as a running minimum.
    """
    place = np.arange(len(reference) + 1)
    row, wanted, found = place.copy(), np.asarray(reference, dtype=np.int64), [len(reference)]
    for count, token in enumerate(hypothesis, 1):
        cheapest = np.minimum(row[1:] + 1, row[:-1] + (wanted != token))
        row = np.minimum.accumulate(np.concatenate([[count], cheapest]) - place) + place
        found.append(int(row[-1]))
    return np.array(found)


def step_rewards(hypothesis: Sequence[int], reference: Sequence[int]) -> np.ndarray:
    """How much each token brings the hypothesis nearer to the reference, in shares of its length: (U,), whose sum is
    1 - CER."""
    return -np.diff(prefix_edits(hypothesis, reference)) / max(1, len(reference))


def window_sums(values: Tensor, steps: int, kernel: int, stride: int) -> Tensor:
    """Sums over windows of ``kernel`` of the first ``steps`` values, one each ``stride``, the last at the end: (W,).

    A kernel of 0, or one longer than the steps, is all of them.
    """
    size = min(kernel or steps, steps)
    starts = list(range(0, steps - size + 1, stride))
    starts += [steps - size] if starts[-1] != steps - size else []
    summed = torch.cat([values.new_zeros(1), values[:steps].cumsum(0)])
    begin = torch.tensor(starts, device=values.device)
    return summed[begin + size] - summed[begin]


def edits(hypothesis: Sequence, reference: Sequence) -> int:
    """Edit distance of two sequences of tokens or words."""
    known = {unit: place for place, unit in enumerate(dict.fromkeys([*hypothesis, *reference]))}
    return int(prefix_edits([known[own] for own in hypothesis], [known[own] for own in reference])[-1])
