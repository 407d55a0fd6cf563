"""Video-transformer front end: mouth video (B, T, 1, 88, 88) -> features (B, T, D).

Shapes: B batch, T frames, F frames of a tubelet, P patch side, N patches of a frame, W width of a patch token,
M real frames of the batch.
Each frame is split into N patches; a tubelet is the same patch over F frames (Arnab et al. 2021, ViViT), here with a
stride of one frame to keep the frame rate of 25 Hz. Attention is within a frame; the pooling after it has separate
weights for every patch position, because the positions of the lips carry the information.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.models.attention import MultiHeadAttention
from vsr.models.conformer import FeedForward
from vsr.models.lengths import gather_frames, scatter_frames, zero_padding

SIDE = 88  # pixels of the network's input


class Tubelets(nn.Module):
    """(B, T, 1, 88, 88) -> a token for each patch of each frame, whitened.

    The mean of each coefficient over the clip is subtracted, as in cepstral mean normalisation: this removes the
    appearance of a face and keeps its motion. Then every coefficient of every patch is scaled to unit variance.
    """

    def __init__(self, width: int, frames: int, patch: int, downscale: int):
        super().__init__()
        if SIDE % (patch * downscale):
            raise ValueError(f"patch {patch} x downscale {downscale} does not divide the {SIDE}-pixel input")
        self.frames, self.patch, self.downscale = frames, patch, downscale
        self.project = nn.Linear(frames * patch * patch, width)
        self.whiten = nn.BatchNorm1d(self.num_patches * width)
        with torch.no_grad():
            self.project.weight.copy_(cosine_basis(width, frames, patch))

    @property
    def num_patches(self) -> int:
        return (SIDE // self.downscale // self.patch) ** 2

    def forward(self, video: Tensor, mask: Tensor) -> Tensor:
        """Tokens of the real frames only, (M, N, W) with M = mask.sum()."""
        x = zero_padding(self.project(self.cut(video)).flatten(2), mask)  # (B, T, N*W)
        mean = x.sum(1, keepdim=True) / mask.sum(1)[:, None, None]
        return self.whiten(gather_frames(x - mean, mask)).unflatten(1, (self.num_patches, -1))

    def cut(self, video: Tensor) -> Tensor:
        """Video (B, T, 1, 88, 88) -> tubelets (B, T, N, F*P*P)."""
        frames = video[:, :, 0]
        if self.downscale > 1:
            frames = F.avg_pool2d(frames, self.downscale)
        rows = frames.unflatten(3, (-1, self.patch)).unflatten(2, (-1, self.patch))  # (B, T, n, P, n, P)
        patches = rows.transpose(3, 4).flatten(4).flatten(2, 3)  # (B, T, N, P*P)
        half = self.frames // 2
        padded = F.pad(patches, (0, 0, 0, 0, half, half))
        return torch.cat([padded[:, f : f + patches.shape[1]] for f in range(self.frames)], dim=-1)


def cosine_basis(width: int, frames: int, patch: int) -> Tensor:
    """The ``width`` lowest 3-D cosine waves of a tubelet, (width, F*P*P), close to a whitened PCA of natural video.

    The weight of a wave grows with its frequency because the power of natural images falls with it (Field 1987);
    otherwise the brightness of the patch would dominate the motion of the lips.
    """

    def waves(n: int) -> Tensor:
        k = torch.arange(n, device="cpu")  # on "meta", arithmetic would import torch's compiler
        return torch.cos(math.pi * k[:, None] * ((k + 0.5) / n)[None, :]) * math.sqrt(2 / n)

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
    """Pre-norm transformer layer over the patches of one frame, (M, N, W) -> (M, N, W)."""

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
        downscale: side of the squares over which the input is averaged first.
    """

    def __init__(self, dim: int, width: int, layers: int, heads: int, frames: int, patch: int, downscale: int):
        super().__init__()
        self.tubelets = Tubelets(width, frames, patch, downscale)
        self.place = nn.Parameter(nn.init.normal_(torch.empty(self.tubelets.num_patches, width), std=0.02))
        self.layers = nn.ModuleList(SpatialLayer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.pool = nn.Linear(self.tubelets.num_patches * width, dim)

    def forward(self, video: Tensor, mask: Tensor) -> Tensor:
        """video (B, T, 1, 88, 88), zero where mask (B, T) is False -> (B, T, D), also zero there."""
        x = self.tubelets(video, mask) + self.place
        for layer in self.layers:
            x = layer(x)
        return scatter_frames(self.pool(self.norm(x).flatten(1)), mask)
