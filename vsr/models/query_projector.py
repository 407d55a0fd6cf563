"""Learned queries that look at the states, more of them where speech is fast: MMS-LLaMA's Q-Former (Yeo et al. 2025).

Shapes: B clips, T frames, D width of the states, Q queries of the longest clip, W width of the language model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.clock import FPS
from vsr.core.numbers import COUNT, POSITIVE, Range
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.decoder import DecoderLayer
from vsr.models.lengths import key_mask, length_mask, zero_padding
from vsr.models.limits import DROPPED, check_heads, check_sizes
from vsr.models.projectors import Projector, perceptron

WORDS = "words"  # target: how many words a clip has, (B, 1)
USUAL = 2.5  # words a second


class QueryProjector(Projector):
    """So many queries a second, times the speech rate over the usual one (from 1 to ``fastest``), attend to the states.

    The speech rate, in words a second, is learned beside the text from the clip's number of words, by a small network
    on the states without gradient to them.

    Args:
        dim, width: D, W.
        rate: queries a second at the usual speech rate.
        most: queries of a clip at most.
        layers, heads, hidden, dropout: of the attention.
        fastest: factor at most.
    """

    def __init__(
        self, dim: int, width: int, rate: float, most: int, layers: int, heads: int, hidden: int, dropout: float,
        fastest: float,
    ):  # fmt: skip
        super().__init__()
        self.rate, self.fastest = rate, fastest
        self.queries = nn.Parameter(torch.randn(most, dim) * dim**-0.5)
        self.layers = nn.ModuleList(DecoderLayer(dim, heads, hidden, dropout, 1e-5) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.pace = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1))
        self.out = perceptron(dim, width, width)

    def speech_rate(self, states: Tensor, lengths: Tensor) -> Tensor:
        """States (B, T, D) -> words a second, (B,)."""
        mean = states.detach().sum(1) / lengths[:, None].clamp(min=1)
        return USUAL * F.softplus(self.pace(mean))[:, 0]

    @torch.no_grad()
    def counts(self, states: Tensor, lengths: Tensor) -> Tensor:
        """How many queries each clip has, (B,)."""
        factor = (self.speech_rate(states, lengths) / USUAL).clamp(1, self.fastest)
        return (factor * self.rate * lengths / FPS).ceil().long().clamp(1, len(self.queries))

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        counts = self.counts(states, lengths)
        own = length_mask(counts, int(counts.max()))
        x = self.queries[: own.shape[1]].to(states.dtype) * own[..., None]
        seen = key_mask(length_mask(lengths, states.shape[1]))
        for layer in self.layers:
            x = layer(x, states, key_mask(own), seen)
        return zero_padding(self.out(self.norm(x)), own), counts

    def losses(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """``speech_rate``: squared error of the logarithm of the words a second, each clip as often as it has tokens,
        so that it is a mean over the tokens as the head's loss is."""
        words = batch.targets[WORDS][:, 0].clamp(min=1)
        wanted = (words * FPS / batch.lengths).log()
        found = (self.speech_rate(states, batch.lengths).float() + 1e-4).log()
        counts = (batch.tokens != IGNORE).sum(1) + 1
        return {"speech_rate": ((found - wanted) ** 2 * counts).sum() / counts.sum()}


@dataclass(frozen=True)
class QuerySettings:
    """As `QueryProjector`."""

    rate: float = 3.0
    most: int = 96
    layers: int = 2
    heads: int = 4
    hidden: int = 768
    dropout: float = 0.1
    fastest: float = 2.0

    def __post_init__(self):
        check_sizes(self, rate=POSITIVE, layers=COUNT, hidden=COUNT, dropout=DROPPED, fastest=Range(least=1))
        check_sizes(self, most=COUNT)

    def build(self, dim: int, width: int) -> QueryProjector:
        c = self
        check_heads("dim", dim, "heads", c.heads)
        return QueryProjector(dim, width, c.rate, c.most, c.layers, c.heads, c.hidden, c.dropout, c.fastest)
