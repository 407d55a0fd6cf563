"""The loss of a reader of isolated words, with mixup. Shapes: B clips, T video frames, C words of the list."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vsr.core.present import present
from vsr.data.batch import CLIPS, INSIDE, Batch
from vsr.data.modalities import VIDEO
from vsr.models.lipreader import LipReader


def word_loss(model: LipReader, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of the words and ``accuracy``, in training with mixup (Zhang et al. 2018): every clip is shown
    through another one, and both words are asked for in that proportion."""
    head, mixup = present(model.words, "the head of words"), model.config.mixup
    classes = head.classes(batch)
    share, other, shown = 1.0, torch.arange(len(classes), device=classes.device), batch
    if mixup and model.training:
        share = float(torch.distributions.Beta(mixup, mixup).sample())
        other = torch.randperm(len(classes)).to(classes.device)
        shown = mixed(batch, share, other)
    logits = head(model.encode_batch(shown), shown.lengths).float()
    losses = {"loss": 0.0, "accuracy": 0.0}
    for weight, own in ((share, classes), (1 - share, classes[other])):
        losses = {name: losses[name] + weight * value for name, value in head.compared(logits, own).items()}
    clips = batch.share(CLIPS)
    return {name: value * clips for name, value in losses.items()}


def mixed(batch: Batch, share: float, other: Tensor) -> Batch:
    """Every clip with so great a ``share``, the rest of it the clip whose row ``other`` (B,) names."""
    seen = {VIDEO: batch.video} if batch.inside is None else {VIDEO: batch.video, INSIDE: batch.inside.float()}
    inputs = {name: torch.lerp(own[other], own, share) for name, own in seen.items()}
    return replace(batch, inputs=inputs, lengths=torch.maximum(batch.lengths, batch.lengths[other]))
