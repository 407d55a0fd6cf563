"""State of the hypotheses of a search in an n-gram model.

Shapes: B utterances, K hypotheses of each, C candidates of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

LN10 = math.log(10)


@dataclass(frozen=True)
class Place:
    """Position of a hypothesis: KenLM's state after the last finished unit, and the word in progress."""

    state: Any
    word: str = ""


class NGramSearch:
    """The positions of all hypotheses of a batch in a `vsr.decoding.ngram.NGram`."""

    gain = 0.0

    def __init__(self, ngram, utterances: int, device: torch.device):
        self.ngram, self.device = ngram, device
        self.places = [[ngram.begin()] for _ in range(utterances)]

    def extend(self, last: Tensor, candidates: Tensor) -> Tensor:
        """Log-probabilities (B, K, 1+C) of the candidates; the first candidate is the end token."""
        rows = zip(self.places, candidates[..., 1:].tolist(), strict=True)
        scores = [[self.ngram.scores(*pair) for pair in zip(places, tokens, strict=True)] for places, tokens in rows]
        return torch.tensor(scores, dtype=torch.float64, device=self.device)

    def follow(self, parents: Tensor, tokens: Tensor) -> None:
        """Extend the hypotheses ``parents`` (B, K') by ``tokens`` (B, K')."""
        rows = zip(self.places, parents.tolist(), tokens.tolist(), strict=True)
        self.places = [[self.ngram.after(places[p], t) for p, t in zip(ps, ts, strict=True)] for places, ps, ts in rows]

    def rule_out(self, log_probs: Tensor) -> None:
        """Does nothing: no token is impossible."""

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',)."""
        self.places = [self.places[row] for row in rows.tolist()]
