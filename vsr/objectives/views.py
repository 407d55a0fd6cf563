"""The same clips seen otherwise: some of them, with frames hidden, or with frames spoiled.

Shapes: B clips, T frames.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vsr.data.batch import INSIDE, Batch
from vsr.data.modalities import VIDEO
from vsr.models.lengths import length_mask, zero_padding


def rows_of(batch: Batch, rows: Tensor) -> Batch:
    """The clips of a batch that ``rows`` (B,) bool marks."""
    places = rows.nonzero()[:, 0]
    inputs, targets, present = (
        {name: own[places] for name, own in given.items()} for given in (batch.inputs, batch.targets, batch.present)
    )
    ids = [batch.ids[i] for i in places.tolist()]
    return replace(batch, inputs=inputs, lengths=batch.lengths[places], targets=targets, ids=ids, present=present)


def stretches(lengths: Tensor, frames: int, share: float, span: int) -> Tensor:
    """(B, T) bool: stretches of ``span`` frames at places drawn by chance, as many as make up a ``share`` of each clip;
    where they meet it is less."""
    found = torch.zeros(len(lengths), frames, dtype=torch.bool, device=lengths.device)
    for row, length in enumerate(lengths.tolist()):
        for first in torch.randint(0, max(1, length - span + 1), (round(share * length / span),)).tolist():
            found[row, first : first + span] = True
    return found & length_mask(lengths, frames)


def hidden(batch: Batch, share: float, span: int) -> Batch:
    """The same with a share of the frames of each modality at 0, in stretches of its own."""
    return replace(batch, inputs={name: _hidden(name, own, batch, share, span) for name, own in batch.inputs.items()})


def _hidden(name: str, own: Tensor, batch: Batch, share: float, span: int) -> Tensor:
    if name == INSIDE:
        return own
    return zero_padding(own, ~stretches(batch.lengths, own.shape[1], share, span))


def spoiled(batch: Batch, share: float, span: int, noise: float, cover: float) -> tuple[Batch, Tensor]:
    """The same with a share of the frames spoiled in stretches, and which, (B, T).

    Video is covered by a patch, a ``cover`` of its height and width, at a place and a brightness of its own for each
    clip, and has noise of the standard deviation ``noise`` over it; other modalities have the noise times their own.
    """
    first = next(name for name in batch.inputs if name != INSIDE)
    which = stretches(batch.lengths, batch.inputs[first].shape[1], share, span)
    inputs = {}
    for name, own in batch.inputs.items():
        if name == INSIDE:
            inputs[name] = own
            continue
        changed = own + noise * own.std() * torch.randn_like(own)
        changed = _covered(changed, cover) if name == VIDEO else changed
        at = which.view(*which.shape, *[1] * (own.dim() - 2))
        inputs[name] = torch.where(at, changed, own)
    return replace(batch, inputs=inputs), which


def _covered(video: Tensor, cover: float) -> Tensor:
    """Video (B, T, 1, H, W) with a patch over each clip."""
    found, (height, width) = video.clone(), video.shape[-2:]
    tall, wide = round(cover * height), round(cover * width)
    for own in found:
        top, left = (int(torch.randint(0, most + 1, ())) for most in (height - tall, width - wide))
        own[..., top : top + tall, left : left + wide] = float(torch.randn(()))
    return found
