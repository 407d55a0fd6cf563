"""Front ends that read speech units, from sound or predicted from the lips: the two halves of LMDecoder.

Yeo et al. 2024: the mapping from lips to units is learned on large amounts of video, that from units to a language
where there are only sound and text. Their interface is the distribution over the units of each frame; a known unit is
a one-hot distribution.

Shapes: B clips, T frames, N units a frame, K units, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.numbers import COUNT, SHARE
from vsr.data.modalities import VIDEO
from vsr.data.unit_input import UNITS, UnitSource
from vsr.models.lengths import zero_padding
from vsr.models.limits import check_sizes
from vsr.models.lip_parts import LipParts
from vsr.models.registry import FRONTENDS
from vsr.models.target_heads import FrameUnitHead


class UnitEmbedding(nn.Linear):
    """Distributions over the units of each frame (B, T, N, K) -> (B, T, D)."""

    def __init__(self, dim: int, per_frame: int, size: int):
        super().__init__(per_frame * size, dim)

    def forward(self, shares: Tensor) -> Tensor:
        return super().forward(shares.flatten(2))


class UnitFrontend(nn.Module):
    """Known units (B, T, N) and mask (B, T) -> (B, T, D), zero on padding."""

    def __init__(self, dim: int, per_frame: int, size: int):
        super().__init__()
        self.size = size
        self.embed = UnitEmbedding(dim, per_frame, size)

    def forward(self, units: Tensor, mask: Tensor) -> Tensor:
        one_hot = F.one_hot(units, self.size).to(self.embed.weight.dtype)
        return zero_padding(self.embed(one_hot), mask)


class UnitBridge(nn.Module):
    """Video (B, T, 1, 88, 88) and mask (B, T) -> (B, T, D), zero on padding: as `UnitFrontend`, with the unit
    probabilities that a lip reader predicts.

    Args:
        frontend, encoder, units: of the lip reader: video -> features -> states -> logits (B, T, N, 1, K).
        embed: as in `UnitFrontend`.
    """

    def __init__(self, frontend: nn.Module, encoder: nn.Module, units: FrameUnitHead, embed: UnitEmbedding):
        super().__init__()
        self.frontend, self.encoder, self.units, self.embed = frontend, encoder, units, embed

    def shares(self, video: Tensor, mask: Tensor) -> Tensor:
        """Probability of each unit, (B, T, N, K)."""
        return self.units(self.encoder(self.frontend(video, mask), mask)).softmax(-1).squeeze(3)

    def forward(self, video: Tensor, mask: Tensor) -> Tensor:
        return zero_padding(self.embed(self.shares(video, mask)), mask)


@FRONTENDS.register("units")
@dataclass(frozen=True)
class UnitFrontendSettings:
    """Units of the sound, read by `UnitSource`; ``replaced``: share of units that training replaces."""

    folder: str = "data/features"
    name: str = UNITS
    size: int = 200
    per_frame: int = 2
    replaced: float = 0.0
    reads = UNITS

    def __post_init__(self):
        check_sizes(self, size=COUNT, per_frame=COUNT, replaced=SHARE)

    @property
    def source(self) -> UnitSource:
        return UnitSource(self.folder, self.name, self.size, self.per_frame)

    def build(self, dim: int) -> UnitFrontend:
        return UnitFrontend(dim, self.per_frame, self.size)


@FRONTENDS.register("unit_bridge")
@dataclass(frozen=True)
class UnitBridgeSettings(LipParts):
    """``video`` and ``encoder``: a front end and an encoder of lips, {kind: ..., settings}, of width ``dim``;
    ``weights``: the model folder of such a lip reader with a unit head ``head``, with which training begins."""

    video: Any = field(default="video_transformer")
    encoder: Any = field(default="conformer")
    dim: int = 192
    size: int = 200
    per_frame: int = 2
    weights: str = ""
    head: str = "audio"
    reads = VIDEO

    def __post_init__(self):
        check_sizes(self, dim=COUNT, size=COUNT, per_frame=COUNT)
        self.complete_parts()

    def build(self, dim: int) -> UnitBridge:
        c = self
        units = FrameUnitHead(c.dim, c.per_frame, 1, c.size)
        return UnitBridge(*c.built_parts(), units, UnitEmbedding(dim, c.per_frame, c.size))
