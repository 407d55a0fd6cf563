"""Fusions of the features of lips and sound: kinds of `vsr.models.registry.FUSIONS`.

Where a clip lacks a stream, its features are one learned vector in every frame (`vsr.models.audio_visual`).

Shapes: video, sound (B, T, D); mask (B, T).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsr.core.numbers import NOT_NEGATIVE
from vsr.models import contrastive_fusion, encoded_streams, fusion, reliability  # noqa: F401  register further kinds
from vsr.models.lengths import zero_padding
from vsr.models.limits import check_sizes
from vsr.models.registry import FUSIONS

Fused = tuple[Tensor, dict[str, Tensor]]  # features (B, T, D); modality -> reliability of its frames, (B, T)


class ConcatFusion(nn.Module):
    """Concatenation, then an MLP (auto_avsr: Ma et al. 2023) or one linear layer (AV-HuBERT: Shi et al. 2022).

    The linear layer is initialised to the sum of both, so that a model of lips that is fine-tuned starts unchanged.
    """

    def __init__(self, dim: int, hidden: int, norm: bool):
        super().__init__()
        self.norm = nn.LayerNorm(2 * dim) if norm else nn.Identity()
        if hidden:
            self.out: nn.Module = nn.Sequential(nn.Linear(2 * dim, hidden), nn.SiLU(), nn.Linear(hidden, dim))
        else:
            self.out = nn.Linear(2 * dim, dim)
            with torch.no_grad():
                self.out.weight.copy_(torch.eye(dim).repeat(1, 2))
                self.out.bias.zero_()

    def forward(self, video: Tensor, sound: Tensor, mask: Tensor) -> Fused:
        return zero_padding(self.out(self.norm(torch.cat([video, sound], -1))), mask), {}


class AddFusion(nn.Module):
    """Sum of both."""

    def forward(self, video: Tensor, sound: Tensor, mask: Tensor) -> Fused:
        return zero_padding(video + sound, mask), {}


@FUSIONS.register("concat")
@dataclass(frozen=True)
class ConcatSettings:
    """Settings of `ConcatFusion`; ``hidden`` 0: one linear layer."""

    hidden: int = 0
    norm: bool = False

    joins = "features"

    def __post_init__(self):
        check_sizes(self, hidden=NOT_NEGATIVE)

    def build(self, dim: int) -> nn.Module:
        return ConcatFusion(dim, self.hidden, self.norm)


@FUSIONS.register("add")
@dataclass(frozen=True)
class AddSettings:
    """Settings of `AddFusion`, which has none."""

    joins = "features"

    def build(self, dim: int) -> nn.Module:
        return AddFusion()
