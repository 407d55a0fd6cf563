"""Views of a batch: some of its clips, frames masked, or frames corrupted.

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
    """The clips of a batch that are marked in ``rows`` (B,) bool."""
    indices = rows.nonzero()[:, 0]
    inputs, targets, present = (
        {name: x[indices] for name, x in tensors.items()} for tensors in (batch.inputs, batch.targets, batch.present)
    )
    ids = [batch.ids[i] for i in indices.tolist()]
    return replace(batch, inputs=inputs, lengths=batch.lengths[indices], targets=targets, ids=ids, present=present)


def or_first(rows: Tensor, batch: Batch) -> Tensor:
    """``rows`` (B,) bool; where none is marked, the first if the batch is part of a step: a pass of one clip, without
    weight in the loss, for the sake of the other ranks (`vsr.data.batch.Counted.is_part`)."""
    if batch.is_part and not rows.any():
        return torch.arange(len(rows), device=rows.device) == 0
    return rows


def stretches(lengths: Tensor, frames: int, share: float, span: int) -> Tensor:
    """Random spans of ``span`` frames, (B, T) bool, that cover a ``share`` of each clip, or less where they overlap."""
    spans = torch.zeros(len(lengths), frames, dtype=torch.bool, device=lengths.device)
    for row, length in enumerate(lengths.tolist()):
        for start in torch.randint(0, max(1, length - span + 1), (round(share * length / span),)).tolist():
            spans[row, start : start + span] = True
    return spans & length_mask(lengths, frames)


def hide_frames(batch: Batch, share: float, span: int) -> Batch:
    """The batch with a share of the frames of each modality set to 0, in separately drawn spans."""
    return replace(batch, inputs={name: _hidden(name, x, batch, share, span) for name, x in batch.inputs.items()})


def _hidden(name: str, x: Tensor, batch: Batch, share: float, span: int) -> Tensor:
    if name == INSIDE:
        return x
    return zero_padding(x, ~stretches(batch.lengths, x.shape[1], share, span))


def corrupt_frames(batch: Batch, share: float, span: int, noise: float, cover: float) -> tuple[Batch, Tensor]:
    """The batch with a share of the frames corrupted in spans, and the mask of these frames, (B, T).

    Each modality gets Gaussian noise of ``noise`` times its standard deviation. Over that, video gets a patch of
    ``cover`` times its height and width, of random position and brightness for each clip.
    """
    modality = next(name for name in batch.inputs if name != INSIDE)
    mask = stretches(batch.lengths, batch.inputs[modality].shape[1], share, span)
    inputs = {}
    for name, x in batch.inputs.items():
        if name == INSIDE:
            inputs[name] = x
            continue
        corrupted = x + noise * x.std() * torch.randn_like(x)
        corrupted = _add_patches(corrupted, cover) if name == VIDEO else corrupted
        at = mask.view(*mask.shape, *[1] * (x.dim() - 2))
        inputs[name] = torch.where(at, corrupted, x)
    return replace(batch, inputs=inputs), mask


def _add_patches(video: Tensor, cover: float) -> Tensor:
    """Video (B, T, 1, H, W) with a random patch on each clip."""
    covered, (height, width) = video.clone(), video.shape[-2:]
    patch_height, patch_width = round(cover * height), round(cover * width)
    for clip in covered:
        top, left = (int(torch.randint(0, highest + 1, ())) for highest in (height - patch_height, width - patch_width))
        clip[..., top : top + patch_height, left : left + patch_width] = float(torch.randn(()))
    return covered
