"""TD3Net's back end: densely connected convolutions over time, of several dilations at once, without blind spots.

Lee et al. (TD3Net, after D3Net by Takahashi and Mitsufuji 2021). Where a dense network reads its input by a dilated
kernel, frames between the kernel's places are not seen; here what a dilation of 2^i reads has been through all smaller
ones. Shapes: B clips, T frames, D width, g growth; inside (B, C, T).
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

GROUPS = 5  # of g channels, in a block
NARROW = 4  # times g: what a block reads at most
KERNEL, MOMENTUM = 3, 0.01


class TD2Block(nn.Module):
    """(B, C, T) -> (B, 5 g // 2, T). Group i, once it is whole, adds to every later one by a dilation of 2^(i+1)."""

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
        """Channels of its output."""
        return GROUPS * growth // 2

    def groups(self, x: Tensor, mask: Tensor) -> Tensor:
        """All groups before they are reduced, (B, 5 g, T)."""
        x = self.first(x if self.narrow is None else self.narrow(x, mask), mask)
        for i, further in enumerate(self.further):
            own, later = x[:, : (i + 1) * self.growth], x[:, (i + 1) * self.growth :]
            x = torch.cat([own, later + further(own[:, -self.growth :], mask)], 1)
        return x

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.reduce(self.groups(x, mask), mask)


class TD3Block(nn.Module):
    """`TD2Block` after block, each reads all that is there so far; then the channels divided by ``divisor``."""

    def __init__(self, channels: int, growth: int, blocks: int, divisor: int, dropout: float):
        super().__init__()
        each = TD2Block.width(growth)
        self.blocks = nn.ModuleList(TD2Block(channels + i * each, growth, dropout) for i in range(blocks))
        made = channels + blocks * each
        self.width = made // divisor
        self.reduce = ConvUnit(made, self.width, dropout=dropout, momentum=MOMENTUM)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for block in self.blocks:
            x = torch.cat([x, block(x, mask)], 1)
        return self.reduce(x, mask)


class TD3(nn.Module):
    """`TD3Block` after block, halved in between, then a projection to D.

    Args:
        dim: D.
        growth: g.
        blocks: of `TD2Block` in each `TD3Block`.
        dropout: after every convolution.
    """

    def __init__(self, dim: int, growth: int, blocks: Sequence[int], dropout: float):
        super().__init__()
        self.parts, channels = nn.ModuleList(), dim
        for place, count in enumerate(blocks):
            self.parts.append(TD3Block(channels, growth, count, 1 if place == len(blocks) - 1 else 2, dropout))
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
    """As `TD3` takes them; those of the published base, its best has a ``growth`` of 48."""

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
