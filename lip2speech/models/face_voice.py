"""Predicts a speaker vector from a face, for `--reference face` and `lip2speech match`.

The speaker part of DiffV2S (Choi et al. 2023), which takes the vector from the lip frames, and of From Faces to Voices:
frames of the mouth crop, with brightness and contrast normalised, go through strided convolutions; their mean over the
clip is projected to a GE2E vector. The loss is the cosine to the speaker's vector and a contrastive term with the
voices of other speakers.

Shapes: B clips, K frames of each, D = 256.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.numbers import COUNT, NOT_NEGATIVE, check_numbers

DIM = 256  # of a speaker vector
SIDE = 96  # of a mouth crop
TEMPERATURE = 0.07


@dataclass(frozen=True)
class FaceVoiceConfig:
    """frames: used of each clip; side: to which crops are scaled; width: channels of the first of ``layers``
    convolutions, each of which halves the side and doubles the channels, up to 256; contrast: weight of InfoNCE."""

    frames: int = 8
    side: int = 48
    width: int = 16
    layers: int = 4
    contrast: float = 0.2

    def __post_init__(self):
        check_numbers(self, "model.", frames=COUNT, side=COUNT, width=COUNT, layers=COUNT, contrast=NOT_NEGATIVE)
        if self.side % 2**self.layers:
            raise ValueError(f"side {self.side} cannot be halved {self.layers} times")


class FaceVoice(nn.Module):
    """Predicts speaker vectors (B, 256), non-negative and of unit length, from mouth crops."""

    def __init__(self, config: FaceVoiceConfig):
        super().__init__()
        self.config = config
        sizes = [1, *(min(256, config.width * 2**layer) for layer in range(config.layers))]
        self.convolutions = nn.Sequential(*(
            nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(1, after), nn.ReLU())
            for before, after in zip(sizes, sizes[1:], strict=False)
        ))  # fmt: skip
        side = config.side // 2**config.layers
        self.out = nn.Linear(sizes[-1] * side**2, DIM)

    def forward(self, crops: Tensor, mask: Tensor) -> Tensor:
        """crops (B, K, 96, 96) gray 0 to 255, mask (B, K) -> vectors (B, 256)."""
        images = F.adaptive_avg_pool2d(crops.float().flatten(0, 1)[:, None], self.config.side)
        contrast = images.std((1, 2, 3), keepdim=True)
        features = self.convolutions((images - images.mean((1, 2, 3), keepdim=True)) / (contrast + 1)).flatten(1)
        features = features.unflatten(0, mask.shape) * mask[..., None]
        return F.normalize(self.out(features.sum(1) / mask.sum(1, keepdim=True)).relu() + 1e-6, dim=-1)

    def loss(self, batch) -> dict[str, Tensor]:
        """Losses of a `lip2speech.training.face_voice.FaceBatch`."""
        vectors = self(batch.crops, batch.mask)
        cosine = 1 - (vectors * batch.vectors).sum(-1).mean()
        contrast = contrastive_loss(vectors, batch.vectors, batch.speakers)
        loss = cosine + self.config.contrast * contrast
        return {"loss": loss, "cosine": cosine.detach(), "contrast": contrast.detach()}


def contrastive_loss(predicted: Tensor, vectors: Tensor, speakers: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """InfoNCE (van den Oord et al. 2018) between predicted vectors ``predicted`` (B, D) and true ones (B, D), in both
    directions; other clips of the same speaker (B,) are not negatives."""
    logits = predicted @ vectors.T / temperature
    same = (speakers[:, None] == speakers[None]) & ~torch.eye(len(speakers), dtype=torch.bool, device=speakers.device)
    logits = logits.masked_fill(same, float("-inf"))
    right = torch.arange(len(predicted), device=predicted.device)
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def evenly_spaced(count: int, frames: int) -> Tensor:
    """Indices of ``frames`` evenly spaced frames of a clip of ``count``; all of a shorter clip."""
    return torch.linspace(0, count - 1, min(count, frames)).round().long()
