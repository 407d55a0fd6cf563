"""The objective of isolated word recognition, with mixup. Shapes: B clips, T video frames, C words of the list."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vsr.core.required import required
from vsr.data.batch import CLIPS, INSIDE, Batch
from vsr.data.modalities import VIDEO
from vsr.models.lipreader import LipReader


def word_loss(model: LipReader, batch: Batch) -> dict[str, Tensor]:
    """Cross-entropy of the words and ``accuracy``, in training with mixup (Zhang et al. 2018): every clip is mixed with
    another one, and the losses of both words are weighted in that proportion."""
    head, mixup = required(model.words, "the head of words"), model.config.mixup
    classes = head.classes(batch)
    share, other, inputs = 1.0, torch.arange(len(classes), device=classes.device), batch
    if mixup and model.training:
        share = float(torch.distributions.Beta(mixup, mixup).sample())
        other = torch.randperm(len(classes)).to(classes.device)
        inputs = mix_clips(batch, share, other)
    logits = head(model.encode_batch(inputs), inputs.lengths).float()
    losses = {"loss": 0.0, "accuracy": 0.0}
    for weight, targets in ((share, classes), (1 - share, classes[other])):
        losses = {name: losses[name] + weight * value for name, value in head.compared(logits, targets).items()}
    clips = batch.share(CLIPS)
    return {name: value * clips for name, value in losses.items()}


def mix_clips(batch: Batch, share: float, other: Tensor) -> Batch:
    """The weighted mean of each clip, with ``share``, and the clip in row ``other`` (B,), with 1 - ``share``."""
    originals = {VIDEO: batch.video} if batch.inside is None else {VIDEO: batch.video, INSIDE: batch.inside.float()}
    inputs = {name: torch.lerp(x[other], x, share) for name, x in originals.items()}
    return replace(batch, inputs=inputs, lengths=torch.maximum(batch.lengths, batch.lengths[other]))
