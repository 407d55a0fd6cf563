"""ResNet-1D front end: waveform -> features, one per video frame.

A wide convolution, then a ResNet-18 over time, as in auto_avsr, RAVEn and USR (Petridis et al. 2018).

Shapes: B batch, T video frames, D width, C channels, N positions, R of them in a frame. Sound is (B, T, 640).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsr.core.clock import SAMPLES_PER_FRAME
from vsr.core.numbers import COUNT
from vsr.data.modalities import SOUND, WAVE
from vsr.models.lengths import gather_frames, scatter_frames, zero_padding
from vsr.models.limits import check_sizes
from vsr.models.registry import FRONTENDS
from vsr.models.resnet3d import ACTIVATIONS

STAGES = 4
KERNEL, STRIDE = 80, 4  # samples, of the first convolution
LEAST = 1e-8  # added to the variance of a wave


def masked_norm(norm: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """Batch normalisation of x (B, C, N) over its real positions alone, mask (B, N); zero on padding."""
    return scatter_frames(norm(gather_frames(x.transpose(1, 2), mask)), mask).transpose(1, 2)


class TimeBlock(nn.Module):
    """Residual block of two convolutions of width 3: x (B, C, N), mask of the output (B, N') -> (B, C', N')."""

    def __init__(self, channels_in: int, channels: int, stride: int, activation: str):
        super().__init__()
        self.conv1 = nn.Conv1d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm1d(channels)
        self.act1 = ACTIVATIONS[activation](channels)
        self.conv2 = nn.Conv1d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm1d(channels)
        self.act2 = ACTIVATIONS[activation](channels)
        self.downsample = None
        if stride > 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv1d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm1d(channels)
            )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        short = x if self.downsample is None else masked_norm(self.downsample[1], self.downsample[0](x), mask)
        x = self.act1(masked_norm(self.bn1, self.conv1(x), mask))  # an activation of zero is zero
        return self.act2(masked_norm(self.bn2, self.conv2(x), mask) + short)


class ResNet1D(nn.Module):
    """Sound (B, T, 640), mask (B, T) -> (B, T, D), zero on padding.

    Args:
        dim: width D of the output.
        width: channels of the first stage; published checkpoints have 64 and double it three times.
        blocks: blocks of each of the four stages; all stages but the first halve the rate.
        activation: "silu", or "prelu" with a slope per channel.
        normalise: normalise the wave of each clip to mean 0 and variance 1.
    """

    def __init__(self, dim: int, width: int, blocks: tuple[int, ...], activation: str, normalise: bool):
        super().__init__()
        self.normalise = normalise
        self.stem = nn.Conv1d(1, width, KERNEL, STRIDE, KERNEL // 2 - STRIDE // 2, bias=False)
        self.stem_bn = nn.BatchNorm1d(width)
        self.stem_act = ACTIVATIONS[activation](width)
        trunk, channels_in = [], width
        for stage, count in enumerate(blocks):
            channels = width * 2**stage
            for block in range(count):
                trunk.append(TimeBlock(channels_in, channels, 2 if stage and not block else 1, activation))
                channels_in = channels
        self.trunk = nn.ModuleList(trunk)
        self.project = nn.Linear(channels_in, dim)

    def forward(self, sound: Tensor, mask: Tensor) -> Tensor:
        wave = normalised_waves(sound, mask) if self.normalise else sound
        x = self.stem(wave.flatten(1)[:, None].to(self.stem.weight.dtype))
        x = self.stem_act(masked_norm(self.stem_bn, x, _within(mask, x)))
        for block in self.trunk:
            stride = block.conv1.stride[0]
            x = block(x, _within(mask, x[..., ::stride]))
        frames = x.unflatten(-1, (mask.shape[1], -1)).float().mean(-1).transpose(1, 2)
        return zero_padding(self.project(frames.to(x.dtype)), mask)


def _within(mask: Tensor, x: Tensor) -> Tensor:
    """Mask (B, T) repeated to the rate of x (B, C, R T): (B, R T)."""
    return mask.repeat_interleave(x.shape[-1] // mask.shape[1], 1)


def normalised_waves(sound: Tensor, mask: Tensor) -> Tensor:
    """Waves (B, T, 640), each normalised to mean 0 and variance 1 over its real frames, zero on padding."""
    count = (mask.sum(1) * SAMPLES_PER_FRAME).clamp(min=1)[:, None, None]
    centred = zero_padding(sound - sound.sum((1, 2), keepdim=True) / count, mask)
    return centred / torch.sqrt(centred.square().sum((1, 2), keepdim=True) / count + LEAST)


@FRONTENDS.register("resnet1d")
@dataclass(frozen=True)
class ResNet1DSettings:
    """Settings of `ResNet1D`."""

    width: int = 64
    blocks: tuple[int, ...] = (2, 2, 2, 2)
    activation: str = "silu"
    normalise: bool = True

    reads = SOUND
    form = WAVE

    def __post_init__(self):
        object.__setattr__(self, "blocks", tuple(self.blocks))
        check_sizes(self, width=COUNT)
        if len(self.blocks) != STAGES or not all(count in COUNT for count in self.blocks):
            raise ValueError(f"blocks is {list(self.blocks)}: give at least one block for each of {STAGES} stages")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation is '{self.activation}'; it can be {' or '.join(ACTIVATIONS)}")

    def build(self, dim: int) -> nn.Module:
        return ResNet1D(dim, self.width, self.blocks, self.activation, self.normalise)
