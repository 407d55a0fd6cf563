"""TD3Net's back end: densely connected temporal convolutions of several dilations, without blind spots.

Lee et al. (TD3Net, after D3Net by Takahashi and Mitsufuji 2021). A dilated kernel skips the frames between its taps;
here the input of a dilation of 2^i has passed through all smaller dilations. Shapes: B clips, T frames, D width, g
growth; internally (B, C, T).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from vsr.core.numbers import COUNT
from vsr.models.lengths import zero_padding
from vsr.models.limits import DROPPED, check_sizes
from vsr.models.registry import ENCODERS
from vsr.models.temporal_convolution import ConvUnit

GROUPS = 5  # groups of g channels in a block
NARROW = 4  # times g: greatest number of input channels of a block
KERNEL, MOMENTUM = 3, 0.01


class TD2Block(nn.Module):
    """(B, C, T) -> (B, 5 g // 2, T). Each complete group i feeds all later ones, with dilation 2^(i+1)."""

    def __init__(self, channels: int, growth: int, dropout: float):
        super().__init__()
        g = self.growth = growth
        unit = partial(ConvUnit, dropout=dropout, momentum=MOMENTUM)
        narrow = min(channels, NARROW * g)
        self.narrow = unit(channels, narrow) if channels > narrow else None
        self.first = unit(narrow, GROUPS * g, KERNEL)
        self.further = nn.ModuleList(unit(g, (GROUPS - 1 - i) * g, KERNEL, 2 ** (i + 1)) for i in range(GROUPS - 1))
        self.reduce = unit(GROUPS * g, self.width(g))

    @staticmethod
    def width(growth: int) -> int:
        """Number of output channels."""
        return GROUPS * growth // 2

    def groups(self, x: Tensor, mask: Tensor) -> Tensor:
        """All groups before the reduction, (B, 5 g, T)."""
        x = self.first(x if self.narrow is None else self.narrow(x, mask), mask)
        for i, further in enumerate(self.further):
            complete, later = x[:, : (i + 1) * self.growth], x[:, (i + 1) * self.growth :]
            x = torch.cat([complete, later + further(complete[:, -self.growth :], mask)], 1)
        return x

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.reduce(self.groups(x, mask), mask)


class TD3Block(nn.Module):
    """Densely connected `TD2Block`s, each of which reads the input and all earlier outputs; then a reduction of the
    channels by ``divisor``."""

    def __init__(self, channels: int, growth: int, blocks: int, divisor: int, dropout: float):
        super().__init__()
        block_width = TD2Block.width(growth)
        self.blocks = nn.ModuleList(TD2Block(channels + i * block_width, growth, dropout) for i in range(blocks))
        total_width = channels + blocks * block_width
        self.width = total_width // divisor
        self.reduce = ConvUnit(total_width, self.width, dropout=dropout, momentum=MOMENTUM)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for block in self.blocks:
            x = torch.cat([x, block(x, mask)], 1)
        return self.reduce(x, mask)


class TD3(nn.Module):
    """A stack of `TD3Block`, each but the last halving the channels; then a projection to D.

    Args:
        dim: D.
        growth: g.
        blocks: number of `TD2Block` in each `TD3Block`.
        dropout: after every convolution.
    """

    def __init__(self, dim: int, growth: int, blocks: Sequence[int], dropout: float):
        super().__init__()
        self.parts, channels = nn.ModuleList(), dim
        for index, count in enumerate(blocks):
            self.parts.append(TD3Block(channels, growth, count, 1 if index == len(blocks) - 1 else 2, dropout))
            channels = self.parts[-1].width
        self.out = nn.Linear(channels, dim)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """features (B, T, D), mask (B, T) -> states (B, T, D), zero on padding."""
        x = zero_padding(features, mask).transpose(1, 2)
        for part in self.parts:
            x = part(x, mask)
        return zero_padding(self.out(x.transpose(1, 2)), mask)


@ENCODERS.register("td3")
@dataclass(frozen=True)
class TD3Settings:
    """Settings of `TD3`; defaults are those of the published base model, the best one has a ``growth`` of 48."""

    growth: int = 36
    blocks: tuple[int, ...] = (10, 10, 10, 10)
    dropout: float = 0.2

    def __post_init__(self):
        object.__setattr__(self, "blocks", tuple(self.blocks))
        check_sizes(self, growth=COUNT, dropout=DROPPED)
        if not self.blocks or not all(count in COUNT for count in self.blocks):
            raise ValueError(f"blocks is {list(self.blocks)}: give at least one block for each part")

    def build(self, dim: int) -> nn.Module:
        return TD3(dim, self.growth, self.blocks, self.dropout)
