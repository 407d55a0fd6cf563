"""Interfaces of the scorers of the joint search beside the decoder: CTC, and others such as language models.

Shapes: B utterances, K hypotheses of each, C candidates of each, V vocabulary.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Scorer(Protocol):
    """Scores the hypotheses of one batch step by step."""

    def extend(self, last: Tensor, candidates: Tensor) -> Tensor:
        """Scores (B, K, 1+C) float64 of the ``candidates`` (B, K, 1+C), the first of which is the end token, after
        hypotheses whose last tokens are ``last`` (B, K)."""
        ...

    def follow(self, parents: Tensor, tokens: Tensor) -> None:
        """Extend the hypotheses ``parents`` (B, K') by ``tokens`` (B, K')."""
        ...

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',)."""
        ...


class JoiningScorer(Scorer, Protocol):
    """A further scorer of the search. ``gain``: the most that a live hypothesis may still gain; 0 for
    log-probabilities, which can only lower a score."""

    gain: float

    def rule_out(self, log_probs: Tensor) -> None:
        """Set impossible tokens of ``log_probs`` (B, K, V) to -inf, in place."""
        ...


class Language(Protocol):
    """A model whose scores join searches, such as a language model."""

    def start(self, utterances: int, device: torch.device) -> JoiningScorer:
        """The state of one search."""
        ...
