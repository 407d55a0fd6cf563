"""Video-transformer front end: mouth video (B, T, 1, 88, 88) -> features (B, T, D).

Shapes: B batch, T frames, F frames of a tubelet, P patch side, N patches of a frame, W width of a patch token.
Each frame is cut into N patches; a tubelet is the same patch over F frames (Arnab et al. 2021, ViViT), here with a
stride of one frame so that the 25 Hz clock is kept. Attention runs within a frame; the pooling that follows has
weights of its own for every patch position, because where the lips are is what is being read.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.models.attention import MultiHeadAttention
from vsr.models.conformer import FeedForward

SIDE = 88  # pixels of the network's input


class Tubelets(nn.Module):
    """(B, T, 1, 88, 88) -> one token for each patch of each frame, (B, T, N, W)."""

    def __init__(self, width: int, frames: int, patch: int, downscale: int):
        super().__init__()
        if SIDE % (patch * downscale):
            raise ValueError(f"patch {patch} x downscale {downscale} does not divide the {SIDE}-pixel input")
        self.frames, self.patch, self.downscale = frames, patch, downscale
        self.project = nn.Linear(frames * patch * patch, width)
        self.norm = nn.LayerNorm(width)
        with torch.no_grad():
            self.project.weight.copy_(cosine_basis(width, frames, patch))

    @property
    def num_patches(self) -> int:
        return (SIDE // self.downscale // self.patch) ** 2

    def forward(self, video: Tensor) -> Tensor:
        frames = video[:, :, 0]
        if self.downscale > 1:
            frames = F.avg_pool2d(frames, self.downscale)
        rows = frames.unflatten(3, (-1, self.patch)).unflatten(2, (-1, self.patch))  # (B, T, n, P, n, P)
        patches = rows.transpose(3, 4).flatten(4).flatten(2, 3)  # (B, T, N, P*P)
        half = self.frames // 2
        padded = F.pad(patches, (0, 0, 0, 0, half, half))
        tubelets = torch.cat([padded[:, f : f + patches.shape[1]] for f in range(self.frames)], dim=-1)
        return self.norm(self.project(tubelets))


def cosine_basis(width: int, frames: int, patch: int) -> Tensor:
    """The ``width`` lowest 3-D cosine waves of a tubelet, (width, F*P*P): what PCA of natural video tends to, whitened.

    A wave's weight grows with its frequency because the power of natural images falls with it (Field 1987); without
    that the brightness of the patch would drown the motion of the lips.
    """

    def waves(n: int) -> Tensor:
        x = (torch.arange(n) + 0.5) / n
        return torch.cos(math.pi * torch.arange(n)[:, None] * x[None, :]) * math.sqrt(2 / n)

    order = sorted(
        ((t, y, x) for t in range(frames) for y in range(patch) for x in range(patch)),
        key=lambda w: (4 * (w[0] / frames) ** 2 * (patch / 4) ** 2 + w[1] ** 2 + w[2] ** 2, w),
    )[:width]
    time, space = waves(frames), waves(patch)
    rows = []
    for t, y, x in order:
        wave = torch.einsum("t,y,x->tyx", time[t], space[y], space[x]).flatten()
        rows.append(wave / wave.norm() * (1 + math.sqrt(t * t + y * y + x * x)) / math.sqrt(patch))
    return torch.stack(rows)


class SpatialLayer(nn.Module):
    """Pre-norm transformer layer over the patches of one frame, (B*T, N, W) -> (B*T, N, W)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.feed_forward = FeedForward(width, 2 * width, 0.0, nn.GELU)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm(x))
        return x + self.feed_forward(x)


class VideoTransformer(nn.Module):
    """Tubelet embedding, spatial attention, pooling per frame.

    Args:
        dim: width D of the output.
        width, layers, heads: of the patch tokens and the spatial transformer.
        frames, patch: tubelet size, in frames and in pixels after the downscaling.
        downscale: the input is averaged over squares of that side first.
    """

    def __init__(
        self, dim: int, width: int, layers: int, heads: int, frames: int, patch: int, downscale: int
    ):
        super().__init__()
        self.tubelets = Tubelets(width, frames, patch, downscale)
        self.place = nn.Parameter(torch.randn(self.tubelets.num_patches, width) * 0.02)
        self.layers = nn.ModuleList(SpatialLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.pool = nn.Linear(self.tubelets.num_patches * width, dim)

    def forward(self, video: Tensor) -> Tensor:
        """video (B, T, 1, 88, 88), zero on padding -> (B, T, D)."""
        x = self.tubelets(video) + self.place
        batch, length = x.shape[:2]
        x = x.flatten(0, 1)
        for layer in self.layers:
            x = layer(x)
        return self.pool(self.norm(x).flatten(1)).unflatten(0, (batch, length))
