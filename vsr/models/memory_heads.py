"""Heads that train lip states to address a memory of sound (`vsr.models.memory`). They write no text.

`memory_address`: targets are the centroids nearest to the sound of each frame, the direct way to train AKVSR's bridge.
`memory_recall`: MVM's losses (Kim et al. 2022), which learn the values from sound and match the addresses of lips and
sound.

Shapes: B clips, T frames, N states of the teacher a frame, W its width, K slots, H heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.numbers import COUNT, NOT_NEGATIVE, POSITIVE
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.codebook import nearest, read_codebook
from vsr.data.manifest import Clip
from vsr.data.targets import Target
from vsr.data.teacher_targets import STATES, read_teacher_target
from vsr.models.distillation import mean_over
from vsr.models.distillation_kinds import TaughtSettings
from vsr.models.distilled_heads import KNOWN, Distillation
from vsr.models.heads import HeadSettings
from vsr.models.limits import check_sizes
from vsr.models.memory import Recall
from vsr.models.registry import HEADS

UNITS, MEMORY = "units", "encoder.memory"


class MemoryAddress(Distillation):
    """Addresses (B, H, T, K), averaged over the attention heads -> the centroids of the sound (B, T, N)."""

    reads, counted = MEMORY, UNITS
    learns = "centroids of the sound in each frame"

    def loss(self, recall: Recall, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy, mean over the known centroids, and ``accuracy``, the share of correct ones."""
        units, address = batch.targets[UNITS], recall.address.mean(1)
        known = units != IGNORE
        log_probs = (address + torch.finfo(address.dtype).tiny).log().gather(-1, units.clamp(min=0))
        correct = (address.argmax(-1, keepdim=True) == units).float()
        return {"loss": mean_over(-log_probs, known), "accuracy": mean_over(correct, known)}


class MemoryRecall(Distillation):
    """Learns the values by reconstructing sound from them, and matches the addresses of lips to those of sound.

    Args:
        width: W, of the values and of the teacher's states.
        radius: as in the memory; match, orthogonal: weights of these losses beside the reconstruction.
    """

    reads = MEMORY

    def __init__(self, width: int, radius: float, match: float, orthogonal: float):
        super().__init__()
        self.radius, self.match, self.orthogonal = radius, match, orthogonal
        self.query = nn.Linear(width, width)
        self.learns = f"{width} numbers of a teacher in each frame"

    def loss(self, recall: Recall, batch: Batch) -> dict[str, Tensor]:
        """``loss`` and its parts: ``reconstruct``, 1 - cosine of the sound and its reconstruction; ``match``, the KL
        divergence of the lips' addresses from those of sound; ``orthogonal``, how far the values are from orthonormal.
        """
        sound, known = batch.targets[STATES].mean(2), batch.targets[KNOWN] != IGNORE
        values = F.normalize(recall.values, dim=-1)
        address = (self.radius * F.normalize(self.query(sound), dim=-1) @ values.T).softmax(-1)  # (B, T, K)
        reconstruct = mean_over(1 - F.cosine_similarity(address @ recall.values, sound, -1), known)
        smallest = torch.finfo(address.dtype).tiny
        lip_address, sound_address = (recall.address.mean(1) + smallest).log(), (address.detach() + smallest).log()
        match = mean_over(F.kl_div(lip_address, sound_address, reduction="none", log_target=True).sum(-1), known)
        orthogonal = (values @ values.T - torch.eye(len(values), device=values.device)).abs().mean()
        loss = reconstruct + self.match * match + self.orthogonal * orthogonal
        return {"loss": loss, "reconstruct": reconstruct, "match": match, "orthogonal": orthogonal}


@HEADS.register("memory_address")
@dataclass(frozen=True)
class MemoryAddressSettings(HeadSettings):
    """``folder`` of `vsr teach`, with ``per_frame`` states of ``width``; targets are their nearest centroids of
    ``codebook``."""

    folder: str = "data/teacher"
    codebook: str = "data/teacher/codebook.safetensors"
    width: int = 192
    per_frame: int = 1

    def __post_init__(self):
        check_sizes(self, width=COUNT, per_frame=COUNT)

    def targets(self, clip: Clip, frames: int, tokenizer: Any) -> dict[str, Target]:
        """``units`` (T, N), per frame, so that they follow augmentation in time."""
        states = read_teacher_target(self.folder, clip, STATES, frames, (self.per_frame, self.width))
        return {UNITS: Target(nearest(states, centroids_of(self.codebook)), True)}

    def build(self, dim: int, vocab_size: int) -> MemoryAddress:
        return MemoryAddress()


@HEADS.register("memory_recall")
@dataclass(frozen=True)
class MemoryRecallSettings(TaughtSettings):
    """Settings of `MemoryRecall`; ``folder``, ``width`` and ``per_frame`` as in `TaughtSettings`."""

    radius: float = 16.0
    match: float = 1.0
    orthogonal: float = 0.5

    def __post_init__(self):
        super().__post_init__()
        check_sizes(self, radius=POSITIVE, match=NOT_NEGATIVE, orthogonal=NOT_NEGATIVE)

    def build(self, dim: int, vocab_size: int) -> MemoryRecall:
        return MemoryRecall(self.width, self.radius, self.match, self.orthogonal)


_known: dict[str, np.ndarray] = {}


def centroids_of(path: str) -> np.ndarray:
    """The centroids in a file, which each process reads once."""
    if path not in _known:
        _known[path] = read_codebook(path)
    return _known[path]
