"""The hybrid loss of CTC and attention plus contrastive losses of lips and sound.

The contrast is by synchrony, as in CoGenAV (2025), and by frames and by their tokens, as in MONA (Benster et al. 2024).

Shapes: B clips, T frames, W width of an embedding, N frames that are compared.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.data.batch import CLIPS, Batch
from vsr.data.modalities import SOUND, VIDEO
from vsr.data.targets import FRAME_TOKENS
from vsr.models.contrast import cross_contrast, supervised_contrast, synchrony_loss, warped_pairs
from vsr.models.contrastive_fusion import ContrastiveFusion, streams_kept
from vsr.models.lipreader import LipReader, LipReaderConfig, frontend_of
from vsr.models.registry import split_kind
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.step import demands
from vsr.objectives.views import or_first


def needs_contrast(config: LipReaderConfig) -> None:
    """Raises ValueError for a model without `ContrastiveFusion`."""
    fusion = getattr(frontend_of(config), "fusion", None)
    if fusion is None or split_kind(fusion, "fusion")[0] != "contrast":
        raise ValueError("the objective contrast needs the front end audio_visual with the fusion contrast")


@demands(needs_contrast)
def contrast(model: LipReader, batch: Batch) -> dict[str, Tensor]:
    """The losses of `ctc_attention`, and ``synchrony``, ``cross`` and ``supervised`` over the clips that have both
    streams. Raises VsrError for a model whose fusion is not "contrast"."""
    fusion = fusion_of(model)
    with streams_kept(fusion) as fusion_inputs:
        losses = ctc_attention(model, batch)
    video, sound, mask = fusion_inputs[0]
    has_both = batch.has(VIDEO) & batch.has(SOUND)
    rows = or_first(has_both, batch).nonzero()[:, 0]
    contrasts = {}
    if len(rows):
        labels = batch.targets.get(FRAME_TOKENS)
        row_labels = None if labels is None else labels[rows]
        contrasts = contrast_losses(fusion, video[rows], sound[rows], mask[rows], row_labels)
    c = fusion.settings
    contrasts = {name: value * has_both.any() for name, value in contrasts.items()}
    total = sum(getattr(c, name) * value for name, value in contrasts.items())
    loss = losses["loss"] + total * batch.share(CLIPS)
    return losses | {"loss": loss} | {name: value.detach() for name, value in contrasts.items()}


def fusion_of(model: LipReader) -> ContrastiveFusion:
    """The `ContrastiveFusion` of a model. Raises VsrError if it has another fusion."""
    fusion = getattr(model.frontend, "fusion", None)
    if not isinstance(fusion, ContrastiveFusion):
        raise VsrError("bad_config", "the objective contrast needs the front end audio_visual with the fusion contrast")
    return fusion


def contrast_losses(
    fusion: ContrastiveFusion, video: Tensor, sound: Tensor, mask: Tensor, labels: Tensor | None
) -> dict[str, Tensor]:
    """The losses whose weight is not 0, of features (B, T, D); ``labels`` (B, T): tokens of the frames, -1 unknown."""
    c, (see, hear) = fusion.settings, fusion.pair(video, sound, mask)
    losses = {}
    if c.synchrony:
        steps = torch.randint(c.shift[0], c.shift[1] + 1, (len(mask),), device=mask.device)
        signs = torch.randint(0, 2, (len(mask),), device=mask.device) * 2 - 1
        losses["synchrony"] = synchrony_loss(see, hear, mask, fusion.scale, fusion.bias, steps * signs)
    aligned = aligned_to_lips(see, hear, mask) if c.warp and (c.cross or c.supervised) else hear
    if c.cross:
        rows = draw_frames(mask, c.frames)
        losses["cross"] = cross_contrast(see[rows], aligned[rows], c.tau, c.standard)
    if c.supervised and labels is not None:
        labelled = draw_frames(mask & (labels >= 0), c.frames // 2)
        embeddings = torch.cat([see[labelled], aligned[labelled]])
        losses["supervised"] = supervised_contrast(embeddings, labels[labelled].repeat(2), c.tau)
    return losses


def aligned_to_lips(see: Tensor, hear: Tensor, mask: Tensor) -> Tensor:
    """Embeddings of sound (B, T, W), aligned with the frames of lips by dynamic time warping; padding is unchanged."""
    aligned = []
    for lips, clip_sound, count in zip(see, hear, mask.sum(1).tolist(), strict=True):
        aligned.append(torch.cat([warped_pairs(lips[:count], clip_sound[:count])[1], clip_sound[count:]]))
    return torch.stack(aligned)


def draw_frames(mask: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Indices (clip, frame) of at most ``count`` real frames, drawn at random."""
    real = mask.nonzero()
    order = torch.randperm(len(real), device=mask.device)[:count]
    return real[order, 0], real[order, 1]
