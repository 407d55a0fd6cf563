"""Telling isolated words apart: the head and the word boundary of a reader of clips with one word each.

Shapes: B clips, T video frames, D width, C words of the list. The words stand in the vocabulary after blank and
unknown, so that word c has the token c + 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

FIRST = 2  # token of the first word


class WordHead(nn.Linear):
    """Mean of the states over the real frames, then one linear layer (Martinez et al. 2020)."""

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """states (B, T, D), zero on padding, lengths (B,) -> logits (B, C)."""
        return super().forward(states.sum(1) / lengths[:, None])


class WordBoundary(nn.Module):
    """A learned vector on the frames of the word, added to the front end's features.

    The same as Stafylakis et al. (2018), who append the indicator as one more feature: the layer that reads it next is
    linear, and there the indicator's column is this vector.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.vector = nn.Parameter(nn.init.normal_(torch.empty(dim), std=0.02))

    def forward(self, features: Tensor, inside: Tensor) -> Tensor:
        """features (B, T, D), inside (B, T) from 0 to 1 -> (B, T, D)."""
        return features + inside[..., None].to(features) * self.vector
