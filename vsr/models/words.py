"""Isolated word recognition: the head and the word boundary, for clips of one word each.

Shapes: B clips, T video frames, D width, C words of the list. In the vocabulary the words follow blank and unknown, so
that word c has the token c + 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.data.batch import CLIPS, Batch
from vsr.text.hypothesis import Hypothesis

FIRST = 2  # token of the first word
UNLISTED = -1  # class of a word that is not on the list; the loss leaves it out


class WordHead(nn.Linear):
    """Mean of the states over the real frames, then one linear layer (Martinez et al. 2020)."""

    counted = CLIPS
    label_smoothing = 0.0

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        """states (B, T, D), zero on padding, lengths (B,) -> logits (B, C)."""
        return super().forward(states.sum(1) / lengths[:, None])

    def classes(self, batch: Batch) -> Tensor:
        """Class of each clip (B,): that of its first token, or ``UNLISTED`` for a word that is not on the list."""
        if not batch.tokens.shape[1]:
            return batch.token_lengths.new_full((len(batch.ids),), UNLISTED)
        classes = batch.tokens[:, 0] - FIRST
        return classes.masked_fill((classes < 0) | (classes >= self.out_features), UNLISTED)

    def loss(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the listed words, mean over the clips, and ``accuracy``."""
        return self.compared(self(states, batch.lengths).float(), self.classes(batch))

    def compared(self, logits: Tensor, classes: Tensor) -> dict[str, Tensor]:
        """``loss`` and ``accuracy`` of logits (B, C) with known classes (B,)."""
        loss = F.cross_entropy(logits, classes, ignore_index=UNLISTED, label_smoothing=self.label_smoothing)
        return {"loss": loss, "accuracy": (logits.argmax(-1) == classes).float().mean()}

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """The likeliest words of each clip with their log-probabilities, best first."""
        scores, classes = self(states, lengths).float().log_softmax(-1).topk(min(nbest, self.out_features))
        clips = zip(scores.tolist(), (classes + FIRST).tolist(), strict=True)
        return [[Hypothesis((token,), score) for score, token in zip(*clip, strict=True)] for clip in clips]


class WordBoundary(nn.Module):
    """A learned vector on the frames of the word, added to the front end's features.

    Equivalent to the indicator that Stafylakis et al. (2018) append as a feature: the next layer is linear, and its
    weights for the indicator are this vector.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.vector = nn.Parameter(nn.init.normal_(torch.empty(dim), std=0.02))

    def forward(self, features: Tensor, inside: Tensor) -> Tensor:
        """features (B, T, D), inside (B, T) from 0 to 1 -> (B, T, D)."""
        return features + inside[..., None].to(features) * self.vector
