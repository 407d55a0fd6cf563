"""Fusions that score the reliability of each stream, frame by frame, before they join lips and sound.

Both multiply features by 1 + the score, so that nothing is lost where a score is 0. Unlike the published code they
normalise each frame separately (LayerNorm, not BatchNorm), so that padding changes nothing.

Shapes: video, sound (B, T, D); mask (B, T).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.numbers import COUNT
from vsr.data.modalities import SOUND, VIDEO
from vsr.models.lengths import key_mask, zero_padding
from vsr.models.limits import check_heads, check_sizes
from vsr.models.registry import FUSIONS


class ReliabilityScore(nn.Module):
    """Three convolutions over time and a sigmoid: features (B, T, D), mask -> scores in (0, 1), (B, T, D)."""

    def __init__(self, dim: int, hidden: int, kernel: int):
        super().__init__()
        widths = (dim, hidden, hidden, dim)
        pairs = list(zip(widths, widths[1:], strict=False))
        self.convolutions = nn.ModuleList(nn.Conv1d(a, b, kernel, padding=kernel // 2) for a, b in pairs)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths[1:-1])

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for index, convolution in enumerate(self.convolutions):
            x = convolution(zero_padding(x, mask).transpose(1, 2)).transpose(1, 2)
            x = F.relu(self.norms[index](x)) if index < len(self.norms) else x
        return x.sigmoid()


class RelScoreFusion(nn.Module):
    """AV-RelScore (Hong et al. 2023): each stream times 1 + its score, then a linear layer on their concatenation."""

    def __init__(self, dim: int, hidden: int, kernel: int):
        super().__init__()
        self.scores = nn.ModuleDict({name: ReliabilityScore(dim, hidden, kernel) for name in (VIDEO, SOUND)})
        self.out = nn.Linear(2 * dim, dim)

    def forward(self, video: Tensor, sound: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        streams = {VIDEO: video, SOUND: sound}
        scores = {name: self.scores[name](stream, mask) for name, stream in streams.items()}
        scored = torch.cat([stream * (1 + scores[name]) for name, stream in streams.items()], -1)
        return zero_padding(self.out(scored), mask), {name: score.mean(-1) for name, score in scores.items()}


class VCafeFusion(nn.Module):
    """V-CAFE (Hong et al. 2022): cross-attention from sound to video gives a score of the sound; then a linear layer on
    the concatenation of the video and the sound times 1 + its score."""

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.answer = (nn.Linear(dim, dim) for _ in range(4))
        self.first = nn.Conv1d(dim, dim, 3, padding=1)
        self.second = nn.Conv1d(dim, dim, 1)
        self.out = nn.Linear(2 * dim, dim)

    def forward(self, video: Tensor, sound: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        score = self.score(video, sound, mask)
        scored = torch.cat([video, sound * (1 + score)], -1)
        return zero_padding(self.out(scored), mask), {SOUND: score.mean(-1)}

    def score(self, video: Tensor, sound: Tensor, mask: Tensor) -> Tensor:
        """Reliability of each channel of the sound, (B, T, D) in (0, 1)."""
        projections = ((self.query, sound), (self.key, video), (self.value, video))
        q, k, v = (self._split(layer(stream)) for layer, stream in projections)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=key_mask(mask)).transpose(1, 2).flatten(2)
        x = zero_padding(self.answer(attended), mask).transpose(1, 2)
        return self.second(F.relu(self.first(x))).transpose(1, 2).sigmoid()

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, heads, T, D / heads)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


@FUSIONS.register("relscore")
@dataclass(frozen=True)
class RelScoreSettings:
    """Settings of `RelScoreFusion`; ``hidden`` 0: twice the width, as published."""

    hidden: int = 0
    kernel: int = 7

    joins = "features"

    def __post_init__(self):
        check_sizes(self, kernel=COUNT)
        if self.hidden < 0:
            raise ValueError(f"hidden is {self.hidden}: give 0 or more")

    def build(self, dim: int) -> nn.Module:
        return RelScoreFusion(dim, self.hidden or 2 * dim, self.kernel)


@FUSIONS.register("vcafe")
@dataclass(frozen=True)
class VCafeSettings:
    """Settings of `VCafeFusion`."""

    heads: int = 4

    joins = "features"

    def __post_init__(self):
        check_sizes(self, heads=COUNT)

    def build(self, dim: int) -> nn.Module:
        check_heads("dim", dim, "heads", self.heads)
        return VCafeFusion(dim, self.heads)
