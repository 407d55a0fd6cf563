"""Heads that teach lips to address a memory of sound (`vsr.models.memory`). They write no text.

`memory_address`: which centroid of the codebook the sound of each frame is nearest to, the direct way to teach AKVSR's
bridge.
`memory_recall`: MVM's losses (Kim et al. 2022), by which values are learned from sound and addresses of both meet.

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
from vsr.data.teacher_targets import STATES, read_taught
from vsr.models.distillation import mean_over
from vsr.models.distillation_kinds import TaughtSettings
from vsr.models.distilled_heads import KNOWN, Distillation
from vsr.models.heads import HeadSettings
from vsr.models.limits import check_sizes
from vsr.models.memory import Recall
from vsr.models.registry import HEADS

UNITS, MEMORY = "units", "encoder.memory"


class MemoryAddress(Distillation):
    """Addresses (B, H, T, K) -> the centroids of the sound (B, T, N); the heads' mean is what is asked."""

    reads, counted = MEMORY, UNITS
    learns = "centroids of the sound in each frame"

    def loss(self, recall: Recall, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy, mean over the known centroids, and the share that is right."""
        units, address = batch.targets[UNITS], recall.address.mean(1)
        known = units != IGNORE
        logs = (address + torch.finfo(address.dtype).tiny).log().gather(-1, units.clamp(min=0))
        right = (address.argmax(-1, keepdim=True) == units).float()
        return {"loss": mean_over(-logs, known), "accuracy": mean_over(right, known)}


class MemoryRecall(Distillation):
    """Sound addresses the values, and learns them by getting itself back; lips learn to address them likewise.

    Args:
        width: W, that of the values and of the teacher's states.
        radius: as of the memory; match, orthogonal: weights of the losses beside that of what is got back.
    """

    reads = MEMORY

    def __init__(self, width: int, radius: float, match: float, orthogonal: float):
        super().__init__()
        self.radius, self.match, self.orthogonal = radius, match, orthogonal
        self.query = nn.Linear(width, width)
        self.learns = f"{width} numbers of a teacher in each frame"

    def loss(self, recall: Recall, batch: Batch) -> dict[str, Tensor]:
        """``loss``; of it ``reconstruct``, 1 - cosine of sound and what it got back, ``match``, the divergence of the
        lips' addresses from the sound's, and ``orthogonal``, how far values are from being at right angles."""
        sound, known = batch.targets[STATES].mean(2), batch.targets[KNOWN] != IGNORE
        values = F.normalize(recall.values, dim=-1)
        address = (self.radius * F.normalize(self.query(sound), dim=-1) @ values.T).softmax(-1)  # (B, T, K)
        back = mean_over(1 - F.cosine_similarity(address @ recall.values, sound, -1), known)
        smallest = torch.finfo(address.dtype).tiny
        own, wanted = (recall.address.mean(1) + smallest).log(), (address.detach() + smallest).log()
        met = mean_over(F.kl_div(own, wanted, reduction="none", log_target=True).sum(-1), known)
        apart = (values @ values.T - torch.eye(len(values), device=values.device)).abs().mean()
        loss = back + self.match * met + self.orthogonal * apart
        return {"loss": loss, "reconstruct": back, "match": met, "orthogonal": apart}


@HEADS.register("memory_address")
@dataclass(frozen=True)
class MemoryAddressSettings(HeadSettings):
    """``folder`` of `vsr teach`, whose states of ``width``, ``per_frame`` of them, the centroids of ``codebook`` are
    nearest to."""

    folder: str = "data/teacher"
    codebook: str = "data/teacher/codebook.safetensors"
    width: int = 192
    per_frame: int = 1

    def __post_init__(self):
        check_sizes(self, width=COUNT, per_frame=COUNT)

    def targets(self, clip: Clip, frames: int, tokenizer: Any) -> dict[str, Target]:
        """``units`` (T, N), which follow when frames are moved."""
        states = read_taught(self.folder, clip, STATES, frames, (self.per_frame, self.width))
        return {UNITS: Target(nearest(states, centroids_of(self.codebook)), True)}

    def build(self, dim: int, vocab_size: int) -> MemoryAddress:
        return MemoryAddress()


@HEADS.register("memory_recall")
@dataclass(frozen=True)
class MemoryRecallSettings(TaughtSettings):
    """As `MemoryRecall`; ``folder``, ``width`` and ``per_frame`` as of `TaughtSettings`."""

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
    """The centroids in a file, which is read once by a process."""
    if path not in _known:
        _known[path] = read_codebook(path)
    return _known[path]
