"""ResNet-3D front end: mouth video (B, T, 1, 88, 88) -> features (B, T, D).

A convolution over space and time, then a ResNet-18 on each frame (Stafylakis and Tzimiropoulos 2017): the front end
of most published lip readers. Shapes: B batch, T frames, C channels, S side in pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.models.lengths import gather_frames, scatter_frames

FRAMES = 5  # frames that the first convolution sees
ACTIVATIONS = {"silu": lambda channels: nn.SiLU(), "prelu": nn.PReLU}  # by channels


class BasicBlock(nn.Module):
    """Residual block of two 3x3 convolutions (He et al. 2016), (N, C, S, S) -> (N, C', S', S')."""

    def __init__(self, channels_in: int, channels: int, stride: int, activation: str):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = ACTIVATIONS[activation](channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.act2 = ACTIVATIONS[activation](channels)
        self.downsample = None
        if stride > 1 or channels_in != channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        short = x if self.downsample is None else self.downsample(x)
        x = self.act1(self.bn1(self.conv1(x)))
        return self.act2(self.bn2(self.conv2(x)) + short)


class ResNet3D(nn.Module):
    """Conv3d(5, 7, 7), max pooling, ResNet-18, average over the frame, projection.

    Args:
        dim: width D of the output.
        width: channels of the first stage; published checkpoints have 64 and double it three times.
        blocks: blocks of each of the four stages.
        activation: "silu", or "prelu" with a slope per channel.
    """

    def __init__(self, dim: int, width: int = 64, blocks: tuple[int, ...] = (2, 2, 2, 2), activation: str = "silu"):
        super().__init__()
        # A Conv3d with one input channel equals a Conv2d over stacked frames, which is several times faster on CPUs.
        self.stem = nn.Conv2d(FRAMES, width, 7, 2, 3, bias=False)
        self.stem_bn = nn.BatchNorm2d(width)
        self.stem_act = ACTIVATIONS[activation](width)
        stages, channels_in = [], width
        for stage, count in enumerate(blocks):
            channels = width * 2**stage
            for block in range(count):
                stages.append(BasicBlock(channels_in, channels, 2 if stage and not block else 1, activation))
                channels_in = channels
        self.trunk = nn.Sequential(*stages)
        self.project = nn.Linear(channels_in, dim)

    def forward(self, video: Tensor, mask: Tensor) -> Tensor:
        """video (B, T, 1, 88, 88), zero where mask (B, T) is False -> (B, T, D), also zero there."""
        length, half = video.shape[1], FRAMES // 2
        padded = F.pad(video[:, :, 0], (0, 0, 0, 0, half, half))
        stacked = torch.stack([padded[:, f : f + length] for f in range(FRAMES)], dim=2)
        x = gather_frames(stacked, mask).to(self.stem.weight.dtype, memory_format=torch.channels_last)
        x = F.max_pool2d(self.stem_act(self.stem_bn(self.stem(x))), 3, 2, 1)
        return scatter_frames(self.project(self.trunk(x).float().mean((2, 3))), mask)
