"""Temporal convolutions whose output does not depend on padding: the parts of TCN, DC-TCN and TD3.

Shapes: B clips, C channels, T frames; mask (B, T) True on real frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vsr.models.lengths import gather_frames, scatter_frames

ACTIVATIONS = ("prelu", "silu", "relu")


def activation(name: str, channels: int) -> nn.Module:
    """The activation of that name; PReLU has a slope per channel."""
    return nn.PReLU(channels) if name == "prelu" else {"silu": nn.SiLU, "relu": nn.ReLU}[name]()


class FrameNorm(nn.BatchNorm1d):
    """Batch normalisation over the real frames: x (B, C, T), mask (B, T) -> (B, C, T), arbitrary on padding.

    With statistics over padding, as in the published code, a clip would depend on the other clips of its batch.
    """

    def over(self, x: Tensor, mask: Tensor) -> Tensor:
        if not self.training or bool(mask.all()):
            return self(x)
        return scatter_frames(self(gather_frames(x.transpose(1, 2), mask)), mask).transpose(1, 2)


class ConvUnit(nn.Module):
    """Convolution, batch normalisation, activation, dropout: (B, C, T) -> (B, C', T), zero on padding, so that the next
    convolution reads zeros after a clip's end, whatever the batch.

    Args:
        channels, out: C and C'.
        kernel, dilation: number of frames read (odd), and their distance.
        momentum: of the running statistics.
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
        normed = self.norm.over(self.conv(x), mask)
        return self.dropout(self.activation(normed)).masked_fill(~mask[:, None], 0)


class Branches(nn.Module):
    """Parallel convolutions of several widths, concatenated (Martinez et al. 2020); with ``squeeze`` each gates the
    channels of its input first (squeeze and excitation, Hu et al. 2018)."""

    def __init__(self, channels: int, out: int, kernels: Sequence[int], dilation: int, act: str, squeeze: int = 0):
        super().__init__()
        share = out // len(kernels)
        self.weighers = nn.ModuleList(Squeeze(channels, squeeze) for _ in kernels if squeeze)
        self.branches = nn.ModuleList(ConvUnit(channels, share, kernel, dilation, act) for kernel in kernels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        inputs = [weigh(x, mask) for weigh in self.weighers] or [x] * len(self.branches)
        return torch.cat([branch(gated, mask) for branch, gated in zip(self.branches, inputs, strict=True)], 1)


class Squeeze(nn.Module):
    """Squeeze and excitation: channels times a gate computed from their means over the real frames."""

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
    """Two `Branches`, dropout after each, and a projected residual connection: (B, C, T) -> (B, C', T)."""

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
        residual = self.dropout(self.second(self.dropout(self.first(x, mask)), mask))
        return self.activation(residual + self.short(x)).masked_fill(~mask[:, None], 0)
