"""Gated cross-attention that lets the layers of a trained decoder attend to other states; gates start closed.

Flamingo (Alayrac et al. 2022); for Whisper: Whisper-Flamingo (Rouditchenko et al. 2024).

Shapes: B batch, U positions of the decoder, H its width, T frames, M width of the memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vsr.models.attention import MultiHeadAttention
from vsr.models.conformer import FeedForward


class Gate(nn.Module):
    """x (B, U, H), memory (1 or B, T, M) -> x + tanh(a) attention(x, memory), then + tanh(b) feed-forward; a and b
    are 0 at first, so that x passes unchanged, bit for bit."""

    def __init__(self, width: int, memory: int, heads: int, hidden: int):
        super().__init__()
        self.memory = nn.Linear(memory, width)
        self.norm = nn.LayerNorm(width)
        self.attention = MultiHeadAttention(width, heads)
        self.feed_forward = FeedForward(width, hidden, 0.0, nn.GELU)
        self.attended = nn.Parameter(torch.zeros(()))
        self.fed = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        projected = self.memory(memory).expand(len(x), -1, -1)
        x = x + self.attended.tanh() * self.attention(self.norm(x), projected)
        return x + self.fed.tanh() * self.feed_forward(x)


class Gated(nn.Module):
    """A layer with a gate before it, which another module owns. ``shared``: the memory of all gates in a pass, under
    the key "memory"."""

    def __init__(self, layer: nn.Module, gate: Gate, shared: dict[str, Tensor]):
        super().__init__()
        self.layer, self.shared = layer, shared
        self._gate = (gate,)  # in a tuple, so that it is not registered as a submodule

    def forward(self, x: Tensor, *args: Any, **named: Any) -> Any:
        return self.layer(self._gate[0](x, self.shared["memory"]), *args, **named)
