"""Several steps at once of a language model with further heads (Multi-Token Prediction and Speculative Decoding, 2024).

Shapes: J heads, Q books, K codes of each; a step is one code of each book.
"""

from __future__ import annotations

import torch
from torch import Tensor

TOP = 8  # codes of each head that the best path is sought among


def viterbi(scores: Tensor, transitions: Tensor, before: Tensor, weight: float, top: int = TOP) -> Tensor:
    """The best path through what the heads say, for each book by itself: (J, Q).

    argmax of sum_j log p_j(y_j) + weight log A(y_(j-1), y_j).

    Args:
        scores: (J, Q, K) log-probabilities of the heads.
        transitions: (Q, K, K) log A, from the first to the second.
        before: (Q,) the codes before the first; K where there are none.
        weight: lambda.
        top: candidates of each head.
    """
    heads, books, size = scores.shape
    best, codes = scores.topk(min(top, size), -1)  # (J, Q, k)
    rows = torch.arange(books, device=scores.device)
    known = (before < size)[:, None]
    first = transitions[rows[:, None], before.clamp(max=size - 1)[:, None], codes[0]]
    total, came = best[0] + weight * torch.where(known, first, 0.0), []
    for j in range(1, heads):
        step = transitions[rows[:, None, None], codes[j - 1][:, :, None], codes[j][:, None, :]]
        through = total[:, :, None] + weight * step
        total, where = through.max(1)
        came.append(where)
        total = total + best[j]
    place = total.argmax(1)
    path = [codes[-1][rows, place]]
    for j in range(heads - 2, -1, -1):
        place = came[j][rows, place]
        path.append(codes[j][rows, place])
    return torch.stack(path[::-1])


def accepted(drafted: Tensor, greedy: Tensor) -> int:
    """How many of the drafted steps (J, Q) are, from the first on, those of greedy decoding (J, Q)."""
    same = (drafted == greedy).all(1).long()
    return int(same.cumprod(0).sum())


def transition_scores(pairs: Tensor, size: int) -> Tensor:
    """log A (K, K) by add-one counts of pairs (M, 2) of neighbouring codes."""
    counts = torch.bincount(pairs[:, 0] * size + pairs[:, 1], minlength=size * size).view(size, size) + 1.0
    return (counts / counts.sum(1, keepdim=True)).log()
