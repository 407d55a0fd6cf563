"""Losses of single heads. Shapes: B batch, T video frames, U tokens, V vocabulary (blank 0 ... start/end V-1)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from vsr.core.tokens import BLANK, IGNORE


def alignment_loss(logits: Tensor, frame_tokens: Tensor) -> Tensor:
    """Cross-entropy of each frame's token; logits (B, T, V), frame_tokens (B, T) with -1 where unknown; 0 if no token
    is known.

    Where a corpus has word times, this dense target takes CTC past the plateau in which it has learned the grammar of
    the sentences but does not use the video yet (after Sak et al. 2015, who start CTC from frame labels).
    """
    total = F.cross_entropy(logits.transpose(1, 2), frame_tokens, ignore_index=IGNORE, reduction="sum")
    return total / (frame_tokens != IGNORE).sum().clamp(min=1)


def ctc_loss(log_probs: Tensor, lengths: Tensor, tokens: Tensor, token_lengths: Tensor) -> Tensor:
    """CTC loss per token (Graves et al. 2006), mean over the batch; log_probs (B, T, V), tokens (B, U)."""
    return F.ctc_loss(log_probs.transpose(0, 1), tokens.clamp(min=0), lengths, token_lengths, BLANK, zero_infinity=True)
