"""AV-HuBERT (Shi et al. 2022): transformer encoder, and the decoder that is fine-tuned on it.

Shapes: B batch, T video frames, D width, U tokens, V vocabulary. The pre-trained encoder reads sound and video. With a
front end for video alone the sound features are zero, as in its authors' fine-tuning for lip reading; an audio-visual
front end (`vsr.models.audio_visual`) fuses both itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.models.attention import MultiHeadAttention
from vsr.models.conformer import FeedForward
from vsr.models.decoder import Decoder
from vsr.models.lengths import key_mask, zero_padding

KERNEL, GROUPS = 128, 16  # of the positional convolution, in every published model


class TransformerLayer(nn.Module):
    """Self-attention and feed-forward (by default with GELU), each pre-norm and residual."""

    def __init__(
        self, dim: int, heads: int, hidden: int, dropout: float, kind: type[nn.Module] = nn.GELU, eps: float = 1e-5,
        attention_dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim, eps)
        self.attention = MultiHeadAttention(dim, heads, attention_dropout)
        self.feed_forward = FeedForward(dim, hidden, dropout, kind, eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, D), mask (B, 1, 1, T) True on real frames -> (B, T, D)."""
        x = x + self.dropout(self.attention(self.norm_attention(x), mask=mask))
        return x + self.dropout(self.feed_forward(x))


class AVHubertEncoder(nn.Module):
    """Fusion with (absent) sound, positional convolution, transformer layers, final normalisation.

    Args:
        dim: model width D, a multiple of 16.
        layers, heads, hidden, dropout: depth, attention heads, feed-forward width, dropout of each layer.
        fused: the front end has fused lips and sound, so that the encoder has no fusion.
        attention_dropout: share of the attention weights that training drops.
    """

    def __init__(
        self, dim: int, layers: int, heads: int, hidden: int, dropout: float, fused: bool = False,
        attention_dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        self.fused = fused
        if not fused:
            self.norm_fused = nn.LayerNorm(2 * dim)
            self.fuse = nn.Linear(2 * dim, dim)
        self.position = nn.Conv1d(dim, dim, KERNEL, padding=KERNEL // 2, groups=GROUPS)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            TransformerLayer(dim, heads, hidden, dropout, attention_dropout=attention_dropout) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Features of video or of both (B, T, D), mask (B, T), True on real frames -> states (B, T, D), zero on
        padding."""
        if not self.fused:
            x = self.fuse(self.norm_fused(F.pad(x, (x.shape[-1], 0))))  # sound comes first
        x = zero_padding(x, mask)
        position = self.position(x.transpose(1, 2))[..., :-1]  # an even kernel makes one frame too many
        x = self.dropout(x + F.gelu(position).transpose(1, 2))
        for layer in self.layers:
            x = layer(x, key_mask(mask))
        return zero_padding(self.norm(x), mask)


class TiedDecoder(Decoder):
    """fairseq's decoder: unscaled embeddings, tied with the output layer, and positions counted from 2."""

    def __init__(self, *sizes):
        super().__init__(*sizes)
        del self.out  # the embedding replaces this layer

    def out(self, x: Tensor) -> Tensor:
        """(..., D) -> logits (..., V)."""
        return F.linear(x, self.embed.weight)

    def _embed(self, tokens: Tensor, first_position: int) -> Tensor:
        positions = torch.arange(first_position, first_position + tokens.shape[-1], device=tokens.device) + 2
        return self.embed(tokens) + sines_then_cosines(positions, self.dim).to(self.embed.weight.dtype)


def sines_then_cosines(positions: Tensor, dim: int) -> Tensor:
    """Position encoding of tensor2tensor: ``positions`` (N,) -> (N, dim), all sines, then all cosines."""
    half = dim // 2
    base = torch.tensor(1e4, device=positions.device)
    rates = torch.exp(torch.arange(half, device=positions.device) * (-torch.log(base) / (half - 1)))
    angles = positions[:, None].float() * rates[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)
