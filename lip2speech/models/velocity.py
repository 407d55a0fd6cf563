"""The network of the flow: a diffusion transformer (Peebles and Xie 2023) over mel pairs at 50 Hz.

Shapes: B batch, N steps of 50 Hz, P = 160 a pair of mel frames, W width, C condition, K units.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lip2speech.conditions.layers import zeroed
from lip2speech.models.content import PAIR
from vsr.models.attention import RotaryAttention
from vsr.models.lengths import key_mask, sinusoid, zero_padding


class Block(nn.Module):
    """Attention and feed-forward, each scaled, shifted and gated by time and speaker; initially the identity
    (adaLN-zero)."""

    def __init__(self, dim: int, heads: int, hidden: int):
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim, elementwise_affine=False)
        self.attention = RotaryAttention(dim, heads)
        self.norm_feed_forward = nn.LayerNorm(dim, elementwise_affine=False)
        self.feed_forward = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, dim))
        self.modulation = zeroed(nn.Linear(dim, 6 * dim))

    def forward(self, x: Tensor, state: Tensor, mask: Tensor) -> Tensor:
        """x (B, N, W), state (B, W), mask (B, N) -> (B, N, W)."""
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = self.modulation(state)[:, None].chunk(6, dim=-1)
        x = x + gate_a * self.attention(self.norm_attention(x) * (1 + scale_a) + shift_a, key_mask(mask))
        return x + gate_f * self.feed_forward(self.norm_feed_forward(x) * (1 + scale_f) + shift_f)


class Velocity(nn.Module):
    """Predicts the velocity of a noisy mel at time t, and its units.

    Args:
        condition: width C of the per-step condition.
        speaker: width of the speaker vector.
        units: K.
        dim, layers, heads, hidden: of the transformer.
    """

    def __init__(self, condition: int, speaker: int, units: int, dim: int, layers: int, heads: int, hidden: int):
        super().__init__()
        self.dim = dim
        self.input = nn.Linear(PAIR, dim)
        self.condition = nn.Linear(condition, dim)
        self.null = nn.Parameter(torch.randn(dim) * 0.02)  # replaces the condition where it is dropped
        self.time = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.speaker = nn.Linear(speaker, dim)
        self.blocks = nn.ModuleList(Block(dim, heads, hidden) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)
        self.output = zeroed(nn.Linear(dim, PAIR))
        self.units = nn.Linear(dim, units)

    def forward(
        self, x: Tensor, time: Tensor, condition: Tensor, speaker: Tensor, keep: Tensor, mask: Tensor,
        added: Tensor | float = 0.0,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """One evaluation.

        Args:
            x: (B, N, P) at time ``time`` (B,) in 0 ... 1.
            condition: (B, N, C); speaker: (B, S).
            keep: (B,) True where the condition is used, False for the unconditional evaluation of the guidance.
            mask: (B, N) True on real steps.
            added: (B, N, W) or (B, 1, W) of the named conditions (`lip2speech.conditions`).

        Returns:
            The prediction of the flow's target (B, N, P), and unit logits (B, N, K).
        """
        shown = keep[:, None].to(x.dtype)
        x = self.input(x) + torch.where(keep[:, None, None], self.condition(condition), self.null) + added
        state = self.time(sinusoid(1000 * time, self.dim).to(x.dtype)) + self.speaker(speaker * shown)
        state = nn.functional.silu(state)
        for block in self.blocks:
            x = block(x, state, mask)
        x = self.norm(x)
        return zero_padding(self.output(x), mask), self.units(x)
