"""Several steps at once by a language model with further heads (Multi-Token Prediction and Speculative Decoding, 2024).

Shapes: J heads, Q books, K codes of each; a step is one code of each book.
"""

from __future__ import annotations

import torch
from torch import Tensor

TOP = 8  # candidate codes of each head in the search for the best path


def viterbi(scores: Tensor, transitions: Tensor, before: Tensor, weight: float, top: int = TOP) -> Tensor:
    """The best path (J, Q) through the heads' predictions, independently for each book.

    argmax of sum_j log p_j(y_j) + weight log A(y_(j-1), y_j).

    Args:
        scores: (J, Q, K) log-probabilities of the heads.
        transitions: (Q, K, K) log A, from the earlier to the later code.
        before: (Q,) the codes before the first step; K where there are none.
        weight: lambda.
        top: candidates of each head.
    """
    heads, books, size = scores.shape
    best, codes = scores.topk(min(top, size), -1)  # (J, Q, k)
    rows = torch.arange(books, device=scores.device)
    has_previous = (before < size)[:, None]
    first = transitions[rows[:, None], before.clamp(max=size - 1)[:, None], codes[0]]
    total, backpointers = best[0] + weight * torch.where(has_previous, first, 0.0), []
    for j in range(1, heads):
        step = transitions[rows[:, None, None], codes[j - 1][:, :, None], codes[j][:, None, :]]
        through = total[:, :, None] + weight * step
        total, previous = through.max(1)
        backpointers.append(previous)
        total = total + best[j]
    index = total.argmax(1)
    path = [codes[-1][rows, index]]
    for j in range(heads - 2, -1, -1):
        index = backpointers[j][rows, index]
        path.append(codes[j][rows, index])
    return torch.stack(path[::-1])


def num_accepted(draft: Tensor, greedy: Tensor) -> int:
    """Number of leading drafted steps (J, Q) that equal those of greedy decoding (J, Q)."""
    same = (draft == greedy).all(1).long()
    return int(same.cumprod(0).sum())


def transition_scores(pairs: Tensor, size: int) -> Tensor:
    """log A (K, K), by add-one smoothed counts of pairs (M, 2) of consecutive codes."""
    counts = torch.bincount(pairs[:, 0] * size + pairs[:, 1], minlength=size * size).view(size, size) + 1.0
    return (counts / counts.sum(1, keepdim=True)).log()
