"""Transformer encoder of RAVEn, with relative positions (Haliassos et al. 2023): features (B, T, D) -> states.

Attention after layer normalisation, a feed-forward network after batch normalisation (in USR after layer
normalisation); a learned factor per channel scales the output of each (LayerScale, Touvron et al. 2021).

Shapes: B batch, T video frames, D model width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.models.attention import RelativeAttention
from vsr.models.lengths import gather_frames, key_mask, scatter_frames, zero_padding

NORMS = ("batch", "layer")  # before the feed-forward networks
SCALE = 0.1  # initial value of every learned scale


class RelativeLayer(nn.Module):
    """Attention and feed-forward, each pre-norm, scaled and residual."""

    def __init__(
        self, dim: int, heads: int, hidden: int, dropout: float, eps: float, norm: str, attention_dropout: float = 0.0
    ):
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim, eps)
        self.attention = RelativeAttention(dim, heads, attention_dropout)
        self.scale_attention = nn.Parameter(torch.full((dim,), SCALE))
        self.norm_feed_forward = nn.BatchNorm1d(dim) if norm == "batch" else nn.LayerNorm(dim, eps)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )
        self.scale_feed_forward = nn.Parameter(torch.full((dim,), SCALE))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, D), mask (B, T) True on real frames -> (B, T, D)."""
        attended = self.attention(self.norm_attention(x), key_mask(mask))
        x = x + self.dropout(self.scale_attention * attended)
        # Statistics over real frames only, so that padding does not change the normalisation of other clips.
        normed = self.norm_feed_forward(gather_frames(x, mask))
        return x + scatter_frames(self.dropout(self.scale_feed_forward * self.feed_forward(normed)), mask)


class RelativeTransformer(nn.Module):
    """Stack of `RelativeLayer`s with a final normalisation.

    Args:
        dim: model width D.
        layers, heads, hidden, dropout: depth, attention heads, feed-forward width, dropout after each module.
        eps: added to the variance by every layer normalisation.
        norm: before the feed-forward networks, one of ``NORMS``.
        attention_dropout: share of the attention weights that training drops.
    """

    def __init__(
        self, dim: int, layers: int, heads: int, hidden: int, dropout: float, eps: float = 1e-5, norm: str = "batch",
        attention_dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.scale = dim**0.5
        self.dropout = nn.Dropout(dropout)
        sizes = dim, heads, hidden, dropout, eps, norm, attention_dropout
        self.layers = nn.ModuleList(RelativeLayer(*sizes) for _ in range(layers))
        self.norm = nn.LayerNorm(dim, eps)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, D), mask (B, T) True on real frames -> states (B, T, D), zero on padding."""
        x = self.dropout(x * self.scale)
        for layer in self.layers:
            x = layer(x, mask)
        return zero_padding(self.norm(x), mask)
