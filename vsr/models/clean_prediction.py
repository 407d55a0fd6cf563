"""A head that predicts, from states of corrupted clips, a teacher's states of the clean clips (CAV2vec).

The objective `vsr.objectives.clean_targets` gives its targets in each step. Shapes: B clips, T frames, D width.
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
    """States (B, T, D) -> those of the teacher, (B, T, 1, D), which are compared as they are."""

    def __init__(self, dim: int):
        super().__init__(dim, dim, 1, "frames", normalise=False)
        self.learns = f"{dim} numbers of the averaged weights in each spoiled frame"

    @torch.no_grad()
    def measured(self, states: Tensor, batch: Batch) -> tuple[float, int]:
        """(sum of 1 - cosine, frames): how far predictions are from the states themselves, where nothing is spoiled."""
        known = length_mask(batch.lengths, states.shape[1]).long() - 1
        own = {STATES: states[:, :, None], KNOWN: known}
        return super().measured(states, replace(batch, targets=batch.targets | own))


@HEADS.register(CLEAN)
@dataclass(frozen=True)
class CleanPredictionSettings(HeadSettings):
    """As `CleanPrediction`; for the objective "cav2vec"."""

    def build(self, dim: int, vocab_size: int) -> CleanPrediction:
        return CleanPrediction(dim)
