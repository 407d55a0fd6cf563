"""The content model: visual features at 25 Hz -> units and a coarse mel at 50 Hz.

Shapes: B batch, T video frames, D width of the visual features, W width of the content, K units. A "pair" is two
consecutive mel frames in one vector of 160, so that pairs and units share the 50 Hz clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vsr.core.clock import MELS_PER_FRAME, UNITS_PER_FRAME, exact
from vsr.media.mel import NUM_MELS
from vsr.models.conformer import Conformer
from vsr.models.lengths import length_mask

MELS_PER_UNIT = exact(MELS_PER_FRAME, UNITS_PER_FRAME)
PAIR = MELS_PER_UNIT * NUM_MELS


@dataclass
class Content:
    """hidden (B, 2T, W); unit_logits (B, 2T, K); coarse (B, 2T, 160) normalised; mask (B, 2T) True on real steps."""

    hidden: Tensor
    unit_logits: Tensor
    coarse: Tensor
    mask: Tensor


class ContentModel(nn.Module):
    """Upsampling, Conformer, a unit head and a mel head (the targets of Choi et al. 2023).

    Args:
        visual: width D of the visual features.
        speaker: width of the speaker vector.
        units: K.
        dim, layers, heads, hidden, kernel, dropout: of the Conformer.
    """

    def __init__(
        self, visual: int, speaker: int, units: int, dim: int, layers: int, heads: int, hidden: int, kernel: int,
        dropout: float,
    ):  # fmt: skip
        super().__init__()
        self.project = nn.Sequential(nn.LayerNorm(visual), nn.Dropout(dropout), nn.Linear(visual, dim))
        self.phase = nn.Parameter(torch.randn(UNITS_PER_FRAME, dim) * 0.02)  # which of a frame's two steps it is
        self.speaker = nn.Linear(speaker, dim)
        self.conformer = Conformer(dim, layers, heads, hidden, kernel, dropout)
        self.units = nn.Linear(dim, units)
        self.mel = nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, PAIR))

    def forward(
        self, visual: Tensor, lengths: Tensor, speaker: Tensor,
        added: Callable[[Tensor], Tensor | float] = lambda x: 0.0,
    ) -> Content:  # fmt: skip
        """visual features (B, T, D), lengths (B,) video frames, speaker (B, S) -> Content.

        ``added``: what named conditions add to the Conformer's input (B, 2T, W).
        """
        mask = length_mask(UNITS_PER_FRAME * lengths, UNITS_PER_FRAME * visual.shape[1])
        x = (self.project(visual)[:, :, None] + self.phase).flatten(1, 2) + self.speaker(speaker)[:, None]
        hidden = self.conformer(x + added(x), mask)
        return Content(hidden, self.units(hidden), self.mel(hidden), mask)
