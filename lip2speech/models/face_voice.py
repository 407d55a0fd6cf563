"""Predicts a speaker vector from a face, for `--reference face` and `lip2speech match`.

The speaker half of DiffV2S (Choi et al. 2023), which takes the vector from the frames of the lips, and of From Faces to
Voices: frames of the mouth crop, light taken out, through strided convolutions; their mean over the clip becomes a
GE2E vector. It is trained by the cosine to the speaker's vector and by contrast with the voices of other speakers.

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
    """frames: of a clip that are looked at; side: to which crops are scaled; width: channels of the first of ``layers``
    convolutions, each of which halves the side and doubles the channels, to 256; contrast: weight of InfoNCE."""

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
    """Mouth crops -> (B, 256), never negative, of length 1."""

    def __init__(self, config: FaceVoiceConfig):
        super().__init__()
        self.config = config
        sizes = [1, *(min(256, config.width * 2**layer) for layer in range(config.layers))]
        self.convolutions = nn.Sequential(*(
            nn.Sequential(nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(1, after), nn.ReLU())
            for before, after in zip(sizes, sizes[1:], strict=False)
        ))  # fmt: skip
        left = config.side // 2**config.layers
        self.out = nn.Linear(sizes[-1] * left**2, DIM)

    def forward(self, crops: Tensor, mask: Tensor) -> Tensor:
        """crops (B, K, 96, 96) gray 0 to 255, mask (B, K) -> vectors (B, 256)."""
        given = F.adaptive_avg_pool2d(crops.float().flatten(0, 1)[:, None], self.config.side)
        spread = given.std((1, 2, 3), keepdim=True)
        each = self.convolutions((given - given.mean((1, 2, 3), keepdim=True)) / (spread + 1)).flatten(1)
        each = each.unflatten(0, mask.shape) * mask[..., None]
        return F.normalize(self.out(each.sum(1) / mask.sum(1, keepdim=True)).relu() + 1e-6, dim=-1)

    def loss(self, batch) -> dict[str, Tensor]:
        """Of a `lip2speech.training.face_voice.FaceBatch`."""
        made = self(batch.crops, batch.mask)
        cosine = 1 - (made * batch.vectors).sum(-1).mean()
        contrast = contrast_of(made, batch.vectors, batch.speakers)
        loss = cosine + self.config.contrast * contrast
        return {"loss": loss, "cosine": cosine.detach(), "contrast": contrast.detach()}


def contrast_of(made: Tensor, vectors: Tensor, speakers: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """InfoNCE (van den Oord et al. 2018) of made vectors (B, D) with true ones (B, D), both ways; other clips of the
    same speaker (B,) are no negatives."""
    logits = made @ vectors.T / temperature
    same = (speakers[:, None] == speakers[None]) & ~torch.eye(len(speakers), dtype=torch.bool, device=speakers.device)
    logits = logits.masked_fill(same, float("-inf"))
    right = torch.arange(len(made), device=made.device)
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def evenly(count: int, frames: int) -> Tensor:
    """``frames`` places of a clip of ``count`` frames, spread evenly; all of a shorter one."""
    return torch.linspace(0, count - 1, min(count, frames)).round().long()
