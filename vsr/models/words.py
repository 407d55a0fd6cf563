"""Telling isolated words apart: the head, the word boundary and the loss of a reader of clips with one word each.

Shapes: B clips, T video frames, D width, C words of the list. The words stand in the vocabulary after blank and
unknown, so that word c has the token c + 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from vsr.data.batching import Batch
    from vsr.models.lipreader import LipReader

FIRST = 2  # token of the first word
UNLISTED = -1  # class of a word that is not on the list; the loss leaves it out


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


def classes_of(batch: Batch, count: int) -> Tensor:
    """Class of each clip, (B,): that of its first token, ``UNLISTED`` where that is none of the ``count`` words."""
    if not batch.tokens.shape[1]:
        return batch.token_lengths.new_full((len(batch.ids),), UNLISTED)
    classes = batch.tokens[:, 0] - FIRST
    return classes.masked_fill((classes < 0) | (classes >= count), UNLISTED)


def word_loss(model: LipReader, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of the words and ``accuracy``, in training with mixup (Zhang et al. 2018): every clip is shown
    through another one, and both words are asked for in that proportion."""
    config = model.config
    targets = classes_of(batch, config.classes)
    video, lengths, inside = batch.video, batch.lengths, batch.inside.float()
    share, other = 1.0, torch.arange(len(targets), device=targets.device)
    if config.mixup and model.training:
        share = float(torch.distributions.Beta(config.mixup, config.mixup).sample())
        other = torch.randperm(len(targets)).to(targets.device)
        video, inside = (torch.lerp(x[other], x, share) for x in (video, inside))
        lengths = torch.maximum(lengths, lengths[other])
    logits = model.word_logits(video, lengths, inside).float()
    loss = accuracy = 0.0
    for weight, own in ((share, targets), (1 - share, targets[other])):
        loss = loss + weight * F.cross_entropy(
            logits, own, ignore_index=UNLISTED, label_smoothing=config.label_smoothing
        )
        accuracy = accuracy + weight * (logits.argmax(-1) == own).float().mean()
    clips = 1.0 if batch.shares is None else batch.shares[0]
    return {"loss": loss * clips, "accuracy": accuracy * clips}
