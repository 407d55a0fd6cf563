"""Learned queries that attend to the states, more of them for fast speech: MMS-LLaMA's Q-Former (Yeo et al. 2025).

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

WORDS = "words"  # target: number of words of a clip, (B, 1)
USUAL = 2.5  # speech rate, words per second


class QueryProjector(Projector):
    """Queries that attend to the states: ``rate`` per second, times the speech rate over `USUAL` (1 to ``fastest``).

    A small network predicts the speech rate, in words per second, from the states without gradient to them; it learns
    from the number of words of the clips.

    Args:
        dim, width: D, W.
        rate: queries per second at the usual speech rate.
        most: greatest number of queries of a clip.
        layers, heads, hidden, dropout: of the attention layers.
        fastest: greatest factor for fast speech.
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
        """States (B, T, D) -> words per second, (B,)."""
        mean = states.detach().sum(1) / lengths[:, None].clamp(min=1)
        return USUAL * F.softplus(self.pace(mean))[:, 0]

    @torch.no_grad()
    def counts(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Number of queries of each clip, (B,)."""
        factor = (self.speech_rate(states, lengths) / USUAL).clamp(1, self.fastest)
        return (factor * self.rate * lengths / FPS).ceil().long().clamp(1, len(self.queries))

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        counts = self.counts(states, lengths)
        query_mask = length_mask(counts, int(counts.max()))
        x = self.queries[: query_mask.shape[1]].to(states.dtype) * query_mask[..., None]
        state_mask = key_mask(length_mask(lengths, states.shape[1]))
        for layer in self.layers:
            x = layer(x, states, key_mask(query_mask), state_mask)
        return zero_padding(self.out(self.norm(x)), query_mask), counts

    def losses(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """``speech_rate``: squared error of the logarithm of the words per second, weighted by the number of tokens of
        each clip, so that it is a mean over tokens like the loss of the head."""
        words = batch.targets[WORDS][:, 0].clamp(min=1)
        target = (words * FPS / batch.lengths).log()
        predicted = (self.speech_rate(states, batch.lengths).float() + 1e-4).log()
        counts = (batch.tokens != IGNORE).sum(1) + 1
        return {"speech_rate": ((predicted - target) ** 2 * counts).sum() / counts.sum()}


@dataclass(frozen=True)
class QuerySettings:
    """Settings of `QueryProjector`."""

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
