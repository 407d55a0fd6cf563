"""Layers of a trained decoder that also attend to other states, behind gates that start closed.

Flamingo (Alayrac et al. 2022); of Whisper: Whisper-Flamingo (Rouditchenko et al. 2024).

Shapes: B batch, U positions of the decoder, H its width, T frames, M width of what is looked at.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vsr.models.attention import MultiHeadAttention
from vsr.models.conformer import FeedForward


class Gate(nn.Module):
    """x (B, U, H), memory (1 or B, T, M) -> x + tanh(a) attention(x, memory), then + tanh(b) feed-forward; a and b
    begin at 0, so that x passes bit for bit."""

    def __init__(self, width: int, memory: int, heads: int, hidden: int):
        super().__init__()
        self.memory = nn.Linear(memory, width)
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.feed_forward = FeedForward(width, hidden, 0.0, nn.GELU)
        self.attended = nn.Parameter(torch.zeros(()))
        self.fed = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        given = self.memory(memory).expand(len(x), -1, -1)
        x = x + self.attended.tanh() * self.attention(self.norm(x), given)
        return x + self.fed.tanh() * self.feed_forward(x)


class Gated(nn.Module):
    """A layer behind a gate, which belongs to another module. ``seen``: what all gates of one pass look at, under
    "memory"."""

    def __init__(self, layer: nn.Module, gate: Gate, seen: dict[str, Tensor]):
        super().__init__()
        self.layer, self.seen = layer, seen
        self._gate = (gate,)  # no part of this module

    def forward(self, x: Tensor, *args: Any, **named: Any) -> Any:
        return self.layer(self._gate[0](x, self.seen["memory"]), *args, **named)
