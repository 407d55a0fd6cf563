"""Where the hypotheses of a search stand in an n-gram model.

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
    """Where a hypothesis stands: KenLM's state after the last finished unit, and the word that has begun."""

    state: Any
    word: str = ""


class NGramSearch:
    """The places of all hypotheses of a batch in a `vsr.decoding.ngram.NGram`."""

    gain = 0.0

    def __init__(self, ngram, utterances: int, device: torch.device):
        self.ngram, self.device = ngram, device
        self.places = [[ngram.begin()] for _ in range(utterances)]

    def extend(self, last: Tensor, candidates: Tensor) -> Tensor:
        """Log-probabilities (B, K, 1+C) of the candidates, of which the first is the end."""
        rows = zip(self.places, candidates[..., 1:].tolist(), strict=True)
        found = [[self.ngram.scores(*pair) for pair in zip(own, tokens, strict=True)] for own, tokens in rows]
        return torch.tensor(found, dtype=torch.float64, device=self.device)

    def follow(self, parents: Tensor, tokens: Tensor) -> None:
        """Go on with ``tokens`` (B, K') after the hypotheses ``parents`` (B, K')."""
        rows = zip(self.places, parents.tolist(), tokens.tolist(), strict=True)
        self.places = [[self.ngram.after(own[p], t) for p, t in zip(ps, ts, strict=True)] for own, ps, ts in rows]

    def rule_out(self, log_probs: Tensor) -> None:
        """Nothing is impossible."""

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',)."""
        self.places = [self.places[row] for row in rows.tolist()]
