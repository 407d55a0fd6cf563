"""A head that predicts a teacher's states of clean clips from the states of corrupted clips (CAV2vec).

The objective `vsr.objectives.clean_targets` computes its targets in each step. Shapes: B clips, T frames, D width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vsr.data.batch import Batch
from vsr.data.teacher_targets import STATES
from vsr.models.distilled_heads import KNOWN, FrameDistillation
from vsr.models.heads import HeadSettings
from vsr.models.lengths import length_mask
from vsr.models.registry import HEADS

CLEAN = "clean_prediction"


class CleanPrediction(FrameDistillation):
    """States (B, T, D) -> predicted states of the teacher, (B, T, 1, D), compared without normalisation."""

    def __init__(self, dim: int):
        super().__init__(dim, dim, 1, "frames", normalise=False)
        self.learns = f"{dim} numbers of the averaged weights in each spoiled frame"

    @torch.no_grad()
    def measured(self, states: Tensor, batch: Batch) -> tuple[float, int]:
        """(sum of 1 - cosine, frames) between predictions and the states themselves, on clips without corruption."""
        known_frames = length_mask(batch.lengths, states.shape[1]).long() - 1
        targets = {STATES: states[:, :, None], KNOWN: known_frames}
        return super().measured(states, replace(batch, targets=batch.targets | targets))


@HEADS.register(CLEAN)
@dataclass(frozen=True)
class CleanPredictionSettings(HeadSettings):
    """Settings of `CleanPrediction`, which has none; for the objective "cav2vec"."""

    def build(self, dim: int, vocab_size: int) -> CleanPrediction:
        return CleanPrediction(dim)
