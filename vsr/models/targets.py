"""Inputs and targets for teacher forcing of a decoder. Shapes: B batch, U tokens."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.core.tokens import IGNORE


def shift_tokens(tokens: Tensor, eos: int) -> tuple[Tensor, Tensor]:
    """Tokens (B, U) padded with -1 -> decoder input, from sos on, and targets, ending with eos; both (B, U+1)."""
    start = tokens.new_full((len(tokens), 1), eos)
    tokens_in = torch.cat([start, tokens.masked_fill(tokens == IGNORE, eos)], dim=1)
    targets = torch.cat([tokens, tokens.new_full((len(tokens), 1), IGNORE)], dim=1)
    ends = (tokens != IGNORE).sum(1)
    targets[torch.arange(len(tokens), device=tokens.device), ends] = eos
    return tokens_in, targets
