"""The best CTC path through known tokens. Shapes: T frames, V vocabulary, S states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from vsr.core.tokens import BLANK


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds of the 25 fps clip, and its confidence in [0, 1]."""

    word: str
    start: float
    end: float
    confidence: float


def align_tokens(log_probs: Tensor, tokens: Sequence[int]) -> list[tuple[int, int, float]]:
    """Best CTC path through ``tokens`` (Viterbi): (first frame, one past the last, confidence) of each token.

    ``log_probs`` is (T, V). The confidence is the mean posterior over the token's frames. Tokens that do not fit
    into the frames are spread evenly with confidence 0.
    """
    if not tokens:
        return []
    scores = log_probs.float().cpu().numpy()
    labels = np.full(2 * len(tokens) + 1, BLANK)
    labels[1::2] = tokens
    skip = np.zeros(len(labels), bool)
    skip[2:] = (labels[2:] != BLANK) & (labels[2:] != labels[:-2])
    path = best_path(scores[:, labels], skip)
    if path is None:
        return [(a, b, 0.0) for a, b in even_spans(len(scores), len(tokens))]
    spans = []
    for u in range(len(tokens)):
        frames = np.flatnonzero(path == 2 * u + 1)
        confidence = float(np.exp(scores[frames, tokens[u]]).mean())
        spans.append((int(frames[0]), int(frames[-1]) + 1, min(1.0, confidence)))
    return spans


def best_path(scores: np.ndarray, skip: np.ndarray) -> np.ndarray | None:
    """Likeliest state of each frame, (T, S) scores -> (T,), None where no path fits; vectorised over states.

    A path begins in one of the first two states and ends in one of the last two. It stays in a state, comes from the
    state before, or, where ``skip`` (S,) is true, from two states before.
    """
    frames, states = scores.shape
    total = np.full(states, -np.inf)
    total[:2] = scores[0, :2]
    back = np.zeros((frames, states), np.int8)
    for t in range(1, frames):
        by_one = np.concatenate([[-np.inf], total[:-1]])
        by_two = np.where(skip, np.concatenate([[-np.inf, -np.inf], total[:-2]]), -np.inf)
        moves = np.stack([total, by_one, by_two])
        back[t] = moves.argmax(0)
        total = moves.max(0) + scores[t]
    state = states - 1 if total[-1] >= total[-2] else states - 2
    if not np.isfinite(total[state]):
        return None
    path = np.empty(frames, int)
    for t in range(frames - 1, -1, -1):
        path[t] = state
        state -= int(back[t, state])  # numpy 2 would keep int8
    return path


def even_spans(frames: int, tokens: int) -> list[tuple[int, int]]:
    """``tokens`` spans (start, stop) of equal length over ``frames``."""
    edges = np.linspace(0, frames, tokens + 1).astype(int).tolist()
    return list(zip(edges[:-1], edges[1:], strict=True))
