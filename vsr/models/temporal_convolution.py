"""Convolutions over time whose result does not depend on padding; what TCN, DC-TCN and TD3 are built of.

Shapes: B clips, C channels, T frames; mask (B, T) True on real frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vsr.models.lengths import gather_frames, scatter_frames

ACTIVATIONS = ("prelu", "silu", "relu")


def activation(name: str, channels: int) -> nn.Module:
    """PReLU has a slope for each channel."""
    return nn.PReLU(channels) if name == "prelu" else {"silu": nn.SiLU, "relu": nn.ReLU}[name]()


class FrameNorm(nn.BatchNorm1d):
    """Batch normalisation over the real frames: x (B, C, T), mask (B, T) -> (B, C, T), anything on padding.

    Statistics over padding would make a clip depend on what it is beside (the published codes do so).
    """

    def over(self, x: Tensor, mask: Tensor) -> Tensor:
        if not self.training or bool(mask.all()):
            return self(x)
        return scatter_frames(self(gather_frames(x.transpose(1, 2), mask)), mask).transpose(1, 2)


class ConvUnit(nn.Module):
    """Convolution of the same length, batch normalisation, activation, dropout: (B, C, T) -> (B, C', T), zero on
    padding, which is therefore what the next one reads at a clip's ends, alone or not.

    Args:
        channels, out: C and C'.
        kernel, dilation: frames that are read (odd), and how far apart.
        momentum: of the statistics of the normalisation.
    """

    def __init__(
        self, channels: int, out: int, kernel: int = 1, dilation: int = 1, act: str = "prelu", dropout: float = 0.0,
        momentum: float = 0.1,
    ):  # fmt: skip
        super().__init__()
        reach = dilation * (kernel // 2)
        self.conv = nn.Conv1d(channels, out, kernel, padding=reach, dilation=dilation, bias=False)
        self.norm = FrameNorm(out, momentum=momentum)
        self.activation = activation(act, out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        seen = self.norm.over(self.conv(x), mask)
        return self.dropout(self.activation(seen)).masked_fill(~mask[:, None], 0)


class Branches(nn.Module):
    """Kernels of several widths side by side, their channels one after the other (Martinez et al. 2020); with
    ``squeeze`` each branch first weighs its input's channels by their mean over the real frames (Hu et al. 2018)."""

    def __init__(self, channels: int, out: int, kernels: Sequence[int], dilation: int, act: str, squeeze: int = 0):
        super().__init__()
        share = out // len(kernels)
        self.weighers = nn.ModuleList(Squeeze(channels, squeeze) for _ in kernels if squeeze)
        self.branches = nn.ModuleList(ConvUnit(channels, share, kernel, dilation, act) for kernel in kernels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        seen = [weigh(x, mask) for weigh in self.weighers] or [x] * len(self.branches)
        return torch.cat([branch(own, mask) for branch, own in zip(self.branches, seen, strict=True)], 1)


class Squeeze(nn.Module):
    """Channels weighed by a gate from their means over the real frames (squeeze and excitation)."""

    def __init__(self, channels: int, reduction: int):
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(channels, channels // reduction), nn.SiLU(), nn.Linear(channels // reduction, channels)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, C, T), zero on padding, mask (B, T) -> (B, C, T)."""
        mean = x.sum(-1) / mask.sum(1, keepdim=True)
        return x * self.gate(mean).sigmoid()[..., None]


class MultiScaleLayer(nn.Module):
    """Two sets of `Branches`, dropout after each, and a projection of what came in added: (B, C, T) -> (B, C', T)."""

    def __init__(
        self, channels: int, out: int, kernels: Sequence[int], dilation: int, act: str, dropout: float, squeeze: int = 0
    ):
        super().__init__()
        self.first = Branches(channels, out, kernels, dilation, act, squeeze)
        self.second = Branches(out, out, kernels, dilation, act)
        self.short = nn.Conv1d(channels, out, 1)
        self.activation = activation(act, out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        seen = self.dropout(self.second(self.dropout(self.first(x, mask)), mask))
        return self.activation(seen + self.short(x)).masked_fill(~mask[:, None], 0)
