"""Batches of prompts and their texts, and the loss of a text restorer.

Shapes: B pairs, L tokens of the longest prompt with its text, U tokens of the longest text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from vsr.core.tokens import IGNORE
from vsr.decoding.restorer import Codec, begun
from vsr.models.text_backbone import last_places


@dataclass(frozen=True)
class Pairs:
    """A batch: token ids (B, L) of prompts followed by texts, padded on the left, or for an encoder of prompts alone,
    padded on the right; mask (B, L); labels (B, U), padded with -1 on the same side."""

    ids: Tensor
    mask: Tensor
    labels: Tensor


def batch_of(codec: Codec, causal: bool, prompts: Sequence[Sequence[str]], texts: Sequence[Sequence[str]]) -> Pairs:
    """A batch of prompts (lines) and texts (words); padding is marked by lengths, never by a token."""
    labels = [torch.tensor(codec.text(words)) for words in texts]
    ids = [torch.tensor(codec.prompt(lines)) for lines in prompts]
    if causal:
        ids = [torch.cat(pair) for pair in zip(ids, labels, strict=True)]
    side = "left" if causal else "right"
    mask = pad_sequence([torch.ones(len(tokens), dtype=torch.long) for tokens in ids], True, 0, side)
    return Pairs(pad_sequence(ids, True, codec.pad, side), mask, pad_sequence(labels, True, IGNORE, side))


def pair_loss(model: Any, batch: Pairs) -> Tensor:
    """Cross-entropy of the texts' tokens, mean over all of them; tokens of prompts have no loss."""
    if model.config.is_encoder_decoder:
        logits = model(
            input_ids=batch.ids, attention_mask=batch.mask, decoder_input_ids=begun(batch.labels, model)
        ).logits
    else:
        positions = (batch.mask.cumsum(1) - 1).clamp(min=0)
        last = last_places(batch.ids.shape[1] - 1, batch.labels.shape[1])  # tokens are predicted one position before
        logits = model(
            input_ids=batch.ids, attention_mask=batch.mask, position_ids=positions, use_cache=False, logits_to_keep=last
        ).logits
    return F.cross_entropy(logits.flatten(0, 1).float(), batch.labels.flatten(), ignore_index=IGNORE)
