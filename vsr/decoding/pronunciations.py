"""Choose the pronunciation of each word that fits a clip best, by the best CTC path through all of them at once.

Shapes: T frames, V vocabulary, N tokens of all variants.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsr.core.tokens import BLANK

Tokens = tuple[int, ...]


class _Graph:
    """Graph of tokens as nodes, with the nodes that may follow each; -1 is the beginning."""

    def __init__(self, words: Sequence[Sequence[Tokens]], mark: int | None):
        self.tokens: list[int] = []
        self.owner: list[tuple[int, int]] = []  # (word, variant); marks have none: (-1, -1)
        self.follows: list[tuple[int, int]] = []  # (node before, node)
        before = [-1]
        for number, variants in enumerate(words):
            if number and mark is not None:
                before = [self._chain(before, (mark,), (-1, -1))]
            before = [self._chain(before, tokens, (number, choice)) for choice, tokens in enumerate(variants) if tokens]
        self.last = before

    def _chain(self, before: list[int], tokens: Tokens, owner: tuple[int, int]) -> int:
        for token in tokens:
            node = len(self.tokens)
            self.tokens.append(token)
            self.owner.append(owner)
            self.follows += [(previous, node) for previous in before]
            before = [node]
        return before[0]

    def allowed(self) -> np.ndarray:
        """(S, S) log-mask of the states 0: blank at the beginning, 1 + 2n: node n, 2 + 2n: the blank after it."""
        size = 2 * len(self.tokens) + 1
        mask = np.full((size, size), -np.inf)
        np.fill_diagonal(mask, 0.0)
        for node in range(len(self.tokens)):
            mask[1 + 2 * node, 2 + 2 * node] = 0.0
        for before, node in self.follows:
            mask[2 + 2 * before, 1 + 2 * node] = 0.0  # from the beginning: state 0
            if before >= 0 and self.tokens[before] != self.tokens[node]:
                mask[1 + 2 * before, 1 + 2 * node] = 0.0
        return mask


def best_pronunciations(
    log_probs: np.ndarray, words: Sequence[Sequence[Tokens]], mark: int | None = None
) -> list[int] | None:
    """The variant of each word on the best path; None where no path fits into the frames.

    Args:
        log_probs: (T, V).
        words: the variants of each word, in tokens.
        mark: the token between words; None where words follow each other directly.
    """
    path = path_through(log_probs, words, mark)
    return path[1] if path else None


def path_through(
    log_probs: np.ndarray, words: Sequence[Sequence[Tokens]], mark: int | None = None
) -> tuple[float, list[int]] | None:
    """Forced alignment, ``log_probs`` (T, V) -> log-probability and variants of the best path; None if none fits."""
    graph = _Graph(words, mark)
    if not graph.tokens:
        return float(log_probs[:, BLANK].sum()), []
    labels = np.full(2 * len(graph.tokens) + 1, BLANK)
    labels[1::2] = graph.tokens
    scores, allowed = log_probs[:, labels], graph.allowed()
    starts = [0, *(1 + 2 * node for before, node in graph.follows if before < 0)]
    total, back = _forward(scores, allowed, starts)
    ends = [state for node in graph.last for state in (1 + 2 * node, 2 + 2 * node)]
    state = max(ends, key=lambda end: total[end])
    best = float(total[state])
    if not np.isfinite(best):
        return None
    chosen: dict[int, int] = {}
    for sources in back[::-1]:
        if state % 2:
            word, choice = graph.owner[state // 2]
            chosen[word] = choice
        state = int(sources[state])
    return best, [chosen[number] for number in range(len(words))]


def _forward(scores: np.ndarray, allowed: np.ndarray, starts: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Viterbi recursion: the best score in each state (S,) after all frames, and the best previous states (T, S)."""
    total = np.full(scores.shape[1], -np.inf)
    total[starts] = scores[0, starts]
    back = np.zeros(scores.shape, int)
    for frame in range(1, len(scores)):
        arriving = total[:, None] + allowed
        back[frame] = arriving.argmax(0)
        total = arriving.max(0) + scores[frame]
    return total, back
