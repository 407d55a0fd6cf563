"""Multi-head attention: plain, and with the relative positions of Transformer-XL.

Shapes: B batch, Q queries, T keys, D model width, H heads, E = D / H.
"""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from vsr.models.lengths import sinusoid

SHORT = 128  # keys; up to here the CPU's fused kernel costs more than it saves in training


def fastest_kernel(key: Tensor):
    """Plain matrix products for short sequences in training on the CPU (twice as fast there), else PyTorch's choice."""
    if key.device.type == "cpu" and key.shape[2] <= SHORT and torch.is_grad_enabled():
        return sdpa_kernel(SDPBackend.MATH)
    return nullcontext()


def masked_scores(scores: Tensor, mask: Tensor) -> Tensor:
    """Scores, of any precision, with their lowest finite number where ``mask`` is False: no weight after softmax."""
    return scores.masked_fill(~mask, torch.finfo(scores.dtype).min)


class AttentionBase(nn.Module):
    """Projections of multi-head attention, and PyTorch's fused kernel; subclasses define the scores.

    ``keys_values`` and ``attend`` are separate so that a decoder can project its memory once and keep it. ``dropout``:
    share of the attention weights that a training pass drops; a search, which calls ``attend`` itself, drops none.
    """

    def __init__(self, dim: int, heads: int, dropout: float = 0.0):
        super().__init__()
        if dim % heads:
            raise ValueError(f"width {dim} is not a multiple of {heads} heads")
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    def split(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, H, T, E)."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def keys_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Memory (B, T, D) -> keys and values, each (B, H, T, E)."""
        return self.split(self.key(memory)), self.split(self.value(memory))

    @property
    def dropped(self) -> float:
        """The share of weights that this pass drops."""
        return self.dropout if self.training else 0.0

    def attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float = 0.0) -> Tensor:
        """Queries (B, H, Q, E), keys and values (B, H, T, E) -> (B, Q, D); a float ``mask`` is added to the scores."""
        with fastest_kernel(key):
            x = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout)
        return self.out(x.transpose(1, 2).flatten(2))


class MultiHeadAttention(AttentionBase):
    """Multi-head attention (Vaswani et al. 2017)."""

    def forward(self, x: Tensor, memory: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """x (B, Q, D), memory (B, T, D), by default x -> (B, Q, D); mask broadcasts to (B, H, Q, T)."""
        key, value = self.keys_values(x if memory is None else memory)
        return self.attend(self.split(self.query(x)), key, value, mask, self.dropped)

    def weights(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """The attention weights of `forward`, (B, H, Q, T), for inspection: the fused kernel never forms them."""
        query, key = self.split(self.query(x)), self.split(self.key(memory))
        scores = query @ key.transpose(2, 3) * query.shape[3] ** -0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return scores.softmax(-1)


class RelativeAttention(AttentionBase):
    """Self-attention with relative positions (Dai et al. 2019), as in published lip readers."""

    def __init__(self, dim: int, heads: int, dropout: float = 0.0):
        super().__init__(dim, heads, dropout)
        self.position = nn.Linear(dim, dim, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(heads, 1, dim // heads))
        self.position_bias = nn.Parameter(torch.zeros(heads, 1, dim // heads))

    def position_scores(self, query: Tensor) -> Tensor:
        """Queries (B, H, T, E) -> the position term of the scores, (B, H, T, T)."""
        length = query.shape[2]
        distances = torch.arange(length - 1, -length, -1, device=query.device)
        code = sinusoid(distances, self.heads * query.shape[3]).to(query.dtype)
        scores = (query + self.position_bias) @ self.split(self.position(code)[None]).transpose(2, 3)
        return shift_to_absolute(scores) * query.shape[3] ** -0.5

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, D), mask (B, 1, 1, T) True on real frames -> (B, T, D)."""
        query = self.split(self.query(x))
        key, value = self.keys_values(x)
        scores = masked_scores(self.position_scores(query), mask)
        return self.attend(query + self.content_bias, key, value, scores, self.dropped)


def shift_to_absolute(scores: Tensor) -> Tensor:
    """Scores by distance T-1 ... -(T-1), (B, H, T, 2T-1) -> by key position, (B, H, T, T)."""
    batch, heads, length, _ = scores.shape
    padded = F.pad(scores, (1, 0)).view(batch, heads, 2 * length, length)
    return padded[:, :, 1:].view(batch, heads, length, 2 * length - 1)[..., :length]


class RotaryAttention(AttentionBase):
    """Self-attention with rotary positions (Su et al. 2021) and normalised queries and keys (Henry et al. 2020)."""

    def __init__(self, dim: int, heads: int, dropout: float = 0.0):
        super().__init__(dim, heads, dropout)
        self.query_norm = nn.RMSNorm(dim // heads)
        self.key_norm = nn.RMSNorm(dim // heads)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, T, D), mask (B, 1, 1, T) True on real positions -> (B, T, D)."""
        key, value = self.keys_values(x)
        query = rotate(self.query_norm(self.split(self.query(x))))
        key = rotate(self.key_norm(key)).to(value.dtype)
        return self.attend(query.to(value.dtype), key, value, mask, self.dropped)


def rotate(x: Tensor, first: int = 0) -> Tensor:
    """Rotate each pair of channels of x (B, H, T, E) by an angle proportional to the position, from ``first`` on."""
    positions = torch.arange(first, first + x.shape[2], device=x.device)
    sine, cosine = sinusoid(positions, x.shape[3]).unflatten(1, (-1, 2)).unbind(-1)  # (T, E/2)
    first, second = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([first * cosine - second * sine, first * sine + second * cosine], -1).flatten(-2)
