"""The loss of a reader of isolated words. Shapes: B clips, T video frames, C words of the list."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vsr.data.batch import CLIPS, Batch
from vsr.models.lipreader import LipReader
from vsr.models.words import FIRST

UNLISTED = -1  # class of a word that is not on the list; the loss leaves it out


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
    clips = batch.share(CLIPS)
    return {"loss": loss * clips, "accuracy": accuracy * clips}
