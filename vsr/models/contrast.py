"""Contrastive losses between embeddings of lips and of sound.

Shapes: B clips, T frames, D width of the unit-length embeddings, N frames of all clips; mask (B, T).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from vsr.models.warp import warp


def agreement(video: Tensor, sound: Tensor, mask: Tensor) -> Tensor:
    """Mean cosine (B,) of embeddings (B, T, D) over the real frames."""
    return ((video * sound).sum(-1) * mask).sum(1) / mask.sum(1).clamp(min=1)


def shifted(x: Tensor, mask: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings (B, T, D) shifted ``steps`` (B,) frames later, and the mask of the frames that are still real."""
    source = torch.arange(x.shape[1], device=x.device)[None] - steps[:, None]
    inside = (source >= 0) & (source < x.shape[1])
    source = source.clamp(0, x.shape[1] - 1)
    is_real = mask.gather(1, source) & inside
    return x.gather(1, source[..., None].expand_as(x)), is_real


def synchrony_loss(video: Tensor, sound: Tensor, mask: Tensor, scale: Tensor, bias: Tensor, shifts: Tensor) -> Tensor:
    """Binary cross-entropy of scale * agreement + bias: synchronous sound against sound that is shifted by ``shifts``
    (B,) frames or is that of another clip, if there is one.

    CoGenAV (2025) uses ReLU of the cosine, which has no gradient for negative cosines; scale and bias are learned
    instead.
    """
    moved, is_real = shifted(sound, mask, shifts)
    agreements = [agreement(video, sound, mask), agreement(video, moved, mask & is_real)]
    if len(mask) > 1:
        agreements.append(agreement(video, sound.roll(1, 0), mask & mask.roll(1, 0)))
    target = torch.cat([torch.full_like(scores, float(index == 0)) for index, scores in enumerate(agreements)])
    return F.binary_cross_entropy_with_logits(scale * torch.cat(agreements) + bias, target)


def cross_contrast(x: Tensor, y: Tensor, tau: float = 0.1, standard: bool = True) -> Tensor:
    """InfoNCE over N frames of two modalities, x and y (N, D), whose rows correspond.

    The negatives of a frame are all other frames of both modalities. ``standard``: the positive is in the denominator
    too (van den Oord et al. 2018); without it, as in MONA's code (Benster et al. 2024), the loss may be negative.
    """
    frames = torch.cat([x, y])
    scores = frames @ frames.T / tau
    count = len(x)
    rows = torch.arange(2 * count, device=x.device)
    partner = rows.roll(count)
    positive = scores[rows, partner]
    excluded = torch.zeros_like(scores, dtype=torch.bool)
    excluded[rows, rows] = True
    if not standard:
        excluded[rows, partner] = True
    return (scores.masked_fill(excluded, -torch.inf).logsumexp(1) - positive).mean()


def supervised_contrast(x: Tensor, labels: Tensor, tau: float = 0.1) -> Tensor:
    """Supervised contrast of frames (N, D) by labels (N,): mean over frames of log(sum over all others) - log(sum over
    others of its label) (MONA's form of Khosla et al. 2020). Frames with a unique label are left out; 0 if all are."""
    scores = x @ x.T / tau
    is_self = torch.eye(len(x), dtype=torch.bool, device=x.device)
    is_positive = (labels[:, None] == labels[None]) & ~is_self
    has_positive = is_positive.any(1)
    if not has_positive.any():
        return x.sum() * 0
    total = scores.masked_fill(is_self, -torch.inf)[has_positive].logsumexp(1)
    positives = scores.masked_fill(~is_positive, -torch.inf)[has_positive].logsumexp(1)
    return (total - positives).mean()


def warped_pairs(video: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
    """Dynamic time warping of another recording of the sentence: lips (T, D), sound (S, D) -> lips, and the sound
    aligned with each of their frames, both (T, D). The path has no gradient."""
    path = warp(1 - (video.detach() @ sound.detach().T).float().cpu().numpy())
    sound_frame = dict(path)  # the last step of each frame of the lips
    indices = torch.tensor([sound_frame[frame] for frame in range(len(video))], device=video.device)
    return video, sound[indices]
