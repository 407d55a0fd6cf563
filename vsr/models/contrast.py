"""Contrastive losses between lips and sound, and the part of a model that they train.

Shapes: B clips, T frames, D width of an embedding of length 1, N frames of all clips; mask (B, T).
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
    """Embeddings (B, T, D) that come ``steps`` (B,) frames later, and the mask of frames that are real still."""
    place = torch.arange(x.shape[1], device=x.device)[None] - steps[:, None]
    inside = (place >= 0) & (place < x.shape[1])
    place = place.clamp(0, x.shape[1] - 1)
    there = mask.gather(1, place) & inside
    return x.gather(1, place[..., None].expand_as(x)), there


def synchrony_loss(video: Tensor, sound: Tensor, mask: Tensor, scale: Tensor, bias: Tensor, shifts: Tensor) -> Tensor:
    """Binary cross-entropy of scale * agreement + bias: in time, or moved by ``shifts`` (B,) frames, or another clip's.

    CoGenAV (2025) takes ReLU of the cosine, which teaches nothing about what is apart already; scale and bias are
    learned instead. A single clip has no other one.
    """
    late, there = shifted(sound, mask, shifts)
    found = [agreement(video, sound, mask), agreement(video, late, mask & there)]
    if len(mask) > 1:
        found.append(agreement(video, sound.roll(1, 0), mask & mask.roll(1, 0)))
    target = torch.cat([torch.full_like(own, float(number == 0)) for number, own in enumerate(found)])
    return F.binary_cross_entropy_with_logits(scale * torch.cat(found) + bias, target)


def cross_contrast(x: Tensor, y: Tensor, tau: float = 0.1, standard: bool = True) -> Tensor:
    """InfoNCE over N frames of two modalities, x and y (N, D) of which row n belongs to row n.

    The rivals of a frame are all others of both modalities. ``standard``: the positive stands in the denominator, too
    (van den Oord et al. 2018); without it, as MONA's code has it (Benster et al. 2024), the loss may be negative.
    """
    both = torch.cat([x, y])
    scores = both @ both.T / tau
    count = len(x)
    own = torch.arange(2 * count, device=x.device)
    partner = own.roll(count)
    positive = scores[own, partner]
    hidden = torch.zeros_like(scores, dtype=torch.bool)
    hidden[own, own] = True
    if not standard:
        hidden[own, partner] = True
    return (scores.masked_fill(hidden, -torch.inf).logsumexp(1) - positive).mean()


def supervised_contrast(x: Tensor, labels: Tensor, tau: float = 0.1) -> Tensor:
    """Frames (N, D) of the same label (N,) together: mean over them of log(all) - log(those of its label), itself left
    out (MONA's form of Khosla et al. 2020). Frames whose label no other has teach nothing; 0 where all are such."""
    scores = x @ x.T / tau
    itself = torch.eye(len(x), dtype=torch.bool, device=x.device)
    same = (labels[:, None] == labels[None]) & ~itself
    taught = same.any(1)
    if not taught.any():
        return x.sum() * 0
    everything = scores.masked_fill(itself, -torch.inf)[taught].logsumexp(1)
    own = scores.masked_fill(~same, -torch.inf)[taught].logsumexp(1)
    return (everything - own).mean()


def warped_pairs(video: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of lips (T, D) and of another recording of the sentence (S, D) that dynamic time warping lays on one
    another, one for each frame of the lips; the path itself has no gradient."""
    path = warp(1 - (video.detach() @ sound.detach().T).cpu().numpy())
    last = dict(path)  # of several steps on one frame of the lips the last
    chosen = torch.tensor([last[frame] for frame in range(len(video))], device=video.device)
    return video, sound[chosen]
