"""Temporal convolutional encoders with kernels of several widths: MS-TCN and the densely connected DC-TCN.

Martinez et al. 2020 (MS-TCN), Ma et al. 2021 (DC-TCN). Shapes: B clips, T frames, D width; internally (B, C, T).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsr.core.numbers import COUNT
from vsr.models.lengths import zero_padding
from vsr.models.limits import DROPPED, check_sizes
from vsr.models.registry import ENCODERS
from vsr.models.temporal_convolution import ACTIVATIONS, ConvUnit, FrameNorm, MultiScaleLayer

SQUEEZED = 16  # reduction of the channels in the squeeze gate of DC-TCN


class MultiScaleTCN(nn.Module):
    """A stack of `MultiScaleLayer`, each with twice the dilation of the previous one; then a projection to D."""

    def __init__(self, dim: int, width: int, layers: int, kernels: Sequence[int], act: str, dropout: float):
        super().__init__()
        widths = [dim] + [width] * layers
        self.stack = nn.ModuleList(
            MultiScaleLayer(widths[i], width, kernels, 2**i, act, dropout) for i in range(layers)
        )
        self.out = nn.Linear(width, dim)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features (B, T, D), mask (B, T) -> states (B, T, D), zero on padding."""
        x = zero_padding(features, mask).transpose(1, 2)
        for layer in self.stack:
            x = layer(x, mask)
        return zero_padding(self.out(x.transpose(1, 2)), mask)


class DenseTCN(nn.Module):
    """Densely connected blocks of `MultiScaleLayer`, each of which reads the input and earlier outputs of its block;
    channels are reduced to ``reduced`` before each block and projected to D after the last."""

    def __init__(
        self, dim: int, growth: int, blocks: Sequence[int], reduced: int, kernels: Sequence[int],
        dilations: Sequence[int], act: str, dropout: float, squeeze: bool,
    ):  # fmt: skip
        super().__init__()
        self.reduce, self.blocks, channels = nn.ModuleList(), nn.ModuleList(), dim
        for count in blocks:
            # in the published code the first reduction always has PReLU
            self.reduce.append(ConvUnit(channels, reduced, act=act if len(self.reduce) else "prelu"))
            block = nn.ModuleList()
            for index in range(count):
                width, dilation = reduced + index * growth, dilations[index % len(dilations)]
                squeezed = SQUEEZED if squeeze else 0
                block.append(MultiScaleLayer(width, growth, kernels, dilation, act, dropout, squeezed))
            self.blocks.append(block)
            channels = reduced + count * growth
        self.norm = FrameNorm(channels)
        self.out = nn.Linear(channels, dim)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features (B, T, D), mask (B, T) -> states (B, T, D), zero on padding."""
        x = zero_padding(features, mask).transpose(1, 2)
        for reduce, block in zip(self.reduce, self.blocks, strict=True):
            x = reduce(x, mask)
            for layer in block:
                x = torch.cat([x, layer(x, mask)], 1)
        return zero_padding(self.out(self.norm.over(x, mask).transpose(1, 2)), mask)


class _Kernels:
    """Checks of the kernels that both kinds share."""

    kernels: tuple[int, ...]
    activation: str

    def _check(self, name: str, channels: int, *lists: str) -> None:
        for setting in lists:
            object.__setattr__(self, setting, tuple(getattr(self, setting)))
            if not getattr(self, setting) or not all(count in COUNT for count in getattr(self, setting)):
                raise ValueError(f"{setting} is {list(getattr(self, setting))}: give at least one, each 1 or more")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ValueError(f"kernels is {list(self.kernels)}: each must be odd, as one without a middle shifts")
        if channels % len(self.kernels):
            raise ValueError(f"{name} is {channels}: it must be a multiple of the {len(self.kernels)} kernels")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is '{self.activation}'; it can be {' or '.join(ACTIVATIONS)}")


@ENCODERS.register("tcn")
@dataclass(frozen=True)
class TCNSettings(_Kernels):
    """Settings of `MultiScaleTCN`; defaults of Martinez et al. 2020. One kernel makes a plain TCN."""

    width: int = 768
    layers: int = 4
    kernels: tuple[int, ...] = (3, 5, 7)
    activation: str = "prelu"
    dropout: float = 0.2

    def __post_init__(self):
        check_sizes(self, width=COUNT, layers=COUNT, dropout=DROPPED)
        self._check("width", self.width, "kernels")

    def build(self, dim: int) -> nn.Module:
        return MultiScaleTCN(dim, self.width, self.layers, self.kernels, self.activation, self.dropout)


@ENCODERS.register("dctcn")
@dataclass(frozen=True)
class DenseTCNSettings(_Kernels):
    """Settings of `DenseTCN`; defaults of Ma et al. 2022."""

    growth: int = 384
    blocks: tuple[int, ...] = (3, 3, 3, 3)
    reduced: int = 512
    kernels: tuple[int, ...] = (3, 5, 7)
    dilations: tuple[int, ...] = (1, 2, 5)
    activation: str = "silu"
    dropout: float = 0.2
    squeeze: bool = True

    def __post_init__(self):
        check_sizes(self, growth=COUNT, reduced=COUNT, dropout=DROPPED)
        self._check("growth", self.growth, "kernels", "blocks", "dilations")
        if self.squeeze and self.reduced < SQUEEZED:
            raise ValueError(f"reduced is {self.reduced}: with squeeze it must be {SQUEEZED} or more")

    def build(self, dim: int) -> nn.Module:
        c = self
        return DenseTCN(
            dim, c.growth, c.blocks, c.reduced, c.kernels, c.dilations, c.activation, c.dropout, c.squeeze
        )  # fmt: skip
