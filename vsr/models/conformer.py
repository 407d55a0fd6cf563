"""Conformer encoder (Gulati et al. 2020): front-end features -> states, both (B, T, D).

Shapes: B batch, T video frames, D model width. Inside the convolution module the order is (B, D, T).
"""

from __future__ import annotations

from torch import Tensor, nn

from vsr.models.attention import RelativeAttention
from vsr.models.legacy_attention import LegacyRelativeAttention
from vsr.models.lengths import gather_frames, key_mask, scatter_frames, zero_padding

ACTIVATIONS = {"silu": nn.SiLU, "relu": nn.ReLU}
POSITIONS = {"relative": RelativeAttention, "legacy": LegacyRelativeAttention}


class FeedForward(nn.Sequential):
    """Pre-norm position-wise feed-forward network, (..., D) -> (..., D)."""

    def __init__(self, dim: int, hidden: int, dropout: float, activation: type[nn.Module] = nn.SiLU, eps: float = 1e-5):
        super().__init__(
            nn.LayerNorm(dim, eps), nn.Linear(dim, hidden), activation(), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )


class ConvolutionModule(nn.Module):
    """Gated pointwise, depthwise over time, pointwise. Padding is zeroed before the depthwise kernel reads it."""

    def __init__(self, dim: int, kernel: int, eps: float):
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps)
        self.gate = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GLU(dim=-1))
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.batch_norm = nn.BatchNorm1d(dim)
        self.out = nn.Sequential(nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, D), mask (B, T) -> (B, T, D)."""
        x = zero_padding(self.gate(self.norm(x)), mask).transpose(1, 2)  # (B, D, T)
        x = self.depthwise(x).transpose(1, 2)  # (B, T, D)
        # Statistics over real frames only, so that padding does not change the normalisation of other clips.
        return self.out(scatter_frames(self.batch_norm(gather_frames(x, mask)), mask))


class ConformerLayer(nn.Module):
    """Half feed-forward, attention, convolution, half feed-forward, each pre-norm and residual."""

    def __init__(
        self, dim: int, heads: int, hidden: int, kernel: int, dropout: float, activation: str, eps: float,
        positions: str = "relative", attention_dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.feed_forward_in = FeedForward(dim, hidden, dropout, ACTIVATIONS[activation], eps)
        self.norm_attention = nn.LayerNorm(dim, eps)
        self.attention = POSITIONS[positions](dim, heads, attention_dropout)
        self.convolution = ConvolutionModule(dim, kernel, eps)
        self.feed_forward_out = FeedForward(dim, hidden, dropout, ACTIVATIONS[activation], eps)
        self.norm_out = nn.LayerNorm(dim, eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + 0.5 * self.dropout(self.feed_forward_in(x))
        x = x + self.dropout(self.attention(self.norm_attention(x), key_mask(mask)))
        x = x + self.dropout(self.convolution(x, mask))
        x = x + 0.5 * self.dropout(self.feed_forward_out(x))
        return self.norm_out(x)


class Conformer(nn.Module):
    """Stack of Conformer layers with a final normalisation.

    Args:
        dim: model width D.
        layers, heads, hidden: depth, attention heads, feed-forward width.
        kernel: frames that the depthwise convolution sees (odd).
        dropout: after each module and inside the feed-forward networks.
        activation: of the feed-forward networks, a key of ``ACTIVATIONS``.
        eps: added to the variance by every layer normalisation.
        positions: how distances are encoded, a key of ``POSITIONS``.
        attention_dropout: share of the attention weights that training drops.
    """

    def __init__(
        self,
        dim: int,
        layers: int,
        heads: int,
        hidden: int,
        kernel: int,
        dropout: float,
        activation: str = "silu",
        eps: float = 1e-5,
        positions: str = "relative",
        attention_dropout: float = 0.0,
    ):
        super().__init__()
        self.scale = dim**0.5
        self.dropout = nn.Dropout(dropout)
        sizes = dim, heads, hidden, kernel, dropout, activation, eps, positions, attention_dropout
        self.layers = nn.ModuleList(ConformerLayer(*sizes) for _ in range(layers))
        self.norm = nn.LayerNorm(dim, eps)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, D), mask (B, T) True on real frames -> states (B, T, D), zero on padding."""
        x = self.dropout(x * self.scale)
        for layer in self.layers:
            x = layer(x, mask)
        return zero_padding(self.norm(x), mask)
