"""A causal transformer with a key-value cache: all steps at once in training, a few at a time in decoding.

Shapes: B batch, S positions, W width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vsr.models.attention import RotaryAttention, rotate


class KeyValueCache:
    """Cache of each layer's keys and values, (B, H, S, E), for the positions so far."""

    def __init__(self, layers: int):
        self.layers: list[tuple[Tensor, Tensor] | None] = [None] * layers
        self.length = 0

    def truncate(self, length: int) -> None:
        """Keep only the first ``length`` positions."""
        self.layers = [entry and (entry[0][:, :, :length], entry[1][:, :, :length]) for entry in self.layers]
        self.length = length


class CausalLayer(nn.Module):
    """Causal self-attention, then a feed-forward network; both pre-norm and residual."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.norm_attention, self.attention = nn.LayerNorm(dim), RotaryAttention(dim, heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, dim)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor, cache: KeyValueCache | None, layer: int) -> Tensor:
        """x (B, S, W) after the positions of ``cache``, mask (S, all positions) -> (B, S, W)."""
        attention, first = self.attention, 0 if cache is None else cache.length
        normed = self.norm_attention(x)
        key, value = attention.keys_values(normed)
        key = rotate(attention.key_norm(key), first).to(value.dtype)
        if cache is not None:
            if cached := cache.layers[layer]:
                key, value = torch.cat([cached[0], key], 2), torch.cat([cached[1], value], 2)
            cache.layers[layer] = key, value
        query = rotate(attention.query_norm(attention.split(attention.query(normed))), first).to(value.dtype)
        x = x + self.dropout(attention.attend(query, key, value, mask))
        return x + self.dropout(self.feed_forward(x))


class Causal(nn.Module):
    """Stack of causal layers with a final norm."""

    def __init__(self, dim: int, layers: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.layers = nn.ModuleList(CausalLayer(dim, heads, hidden, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """x (B, S, W) after the positions of ``cache``, which is extended -> states (B, S, W)."""
        first = 0 if cache is None else cache.length
        count = x.shape[1]
        mask = torch.ones(count, first + count, dtype=torch.bool, device=x.device).tril(first)
        for index, layer in enumerate(self.layers):
            x = layer(x, mask, cache, index)
        if cache is not None:
            cache.length += count
        return self.norm(x)
