"""Tracks of mouth points -> states: convolutions over a few frames, then a bidirectional recurrent network.

In the same training time a recurrent network learns more from tracks than a Conformer of its width: they are smooth,
with few values per frame.

Shapes: B batch, T frames, F features of a frame (`vsr.face.mouth_features`), D width, H hidden.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.models.lengths import zero_padding


class TrackConvolution(nn.Module):
    """Residual convolution over time, (B, T, D) -> (B, T, D)."""

    def __init__(self, dim: int, kernel: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.convolution = nn.Conv1d(dim, dim, kernel, padding=kernel // 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        normed = zero_padding(self.norm(x), mask).transpose(1, 2)
        return x + self.dropout(nn.functional.silu(self.convolution(normed).transpose(1, 2)))


class BothWays(nn.Module):
    """A bidirectional recurrent layer, (B, T, D) -> (B, T, 2 H).

    The backward direction begins at the end of each clip, not in the padding, so that states do not depend on the
    batch. Reversing the frames takes half the time of packing them.
    """

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.forth = nn.GRU(dim, hidden, batch_first=True)
        self.back = nn.GRU(dim, hidden, batch_first=True)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        order = (lengths[:, None] - 1 - torch.arange(x.shape[1], device=x.device)).clamp(min=0)[..., None]
        back = self.back(x.gather(1, order.expand(-1, -1, x.shape[2])))[0]
        return torch.cat([self.forth(x)[0], back.gather(1, order.expand(-1, -1, back.shape[2]))], -1)


class LandmarkFrontend(nn.Module):
    """Features (B, T, F) and mask (B, T) -> (B, T, D): two convolutions over five frames."""

    def __init__(self, features: int, dim: int, dropout: float):
        super().__init__()
        self.embed = nn.Linear(features, dim)
        self.convolutions = nn.ModuleList(TrackConvolution(dim, 5, dropout) for _ in range(2))

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        x = self.embed(features)
        for convolution in self.convolutions:
            x = convolution(x, mask)
        return x


class RecurrentEncoder(nn.Module):
    """Features (B, T, D), mask -> states (B, T, D), zero on padding; ``hidden``: width in each direction."""

    def __init__(self, dim: int, layers: int, hidden: int, dropout: float):
        super().__init__()
        widths = [dim] + [2 * hidden] * (layers - 1)
        self.recurrent = nn.ModuleList(BothWays(width, hidden) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(2 * hidden, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for layer in self.recurrent:
            x = layer(self.dropout(x), mask.sum(1))
        return zero_padding(self.norm(self.out(self.dropout(x))), mask)
