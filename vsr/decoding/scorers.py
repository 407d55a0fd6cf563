"""What scores the hypotheses of the joint search beside the decoder: CTC, and what joins it, such as language models.

Shapes: B utterances, K hypotheses of each, C candidates of each, V vocabulary.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Scorer(Protocol):
    """Goes along with the hypotheses of one batch, step by step."""

    def extend(self, last: Tensor, candidates: Tensor) -> Tensor:
        """What the ``candidates`` (B, K, 1+C), of which the first is the end, are worth after the hypotheses that end
        in ``last`` (B, K): (B, K, 1+C) float64."""
        ...

    def follow(self, parents: Tensor, tokens: Tensor) -> None:
        """Go on with ``tokens`` (B, K') after the hypotheses ``parents`` (B, K')."""
        ...

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',)."""
        ...


class JoiningScorer(Scorer, Protocol):
    """One that joins the search. ``gain``: by how much, at most, a hypothesis that goes on may still gain; 0 for
    log-probabilities, which never do."""

    gain: float

    def rule_out(self, log_probs: Tensor) -> None:
        """Set the tokens of (B, K, V) that are impossible to -inf, in place."""
        ...


class Language(Protocol):
    """What joins searches, such as a language model."""

    def start(self, utterances: int, device: torch.device) -> JoiningScorer:
        """What one search keeps of it."""
        ...
