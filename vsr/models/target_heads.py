"""A head that predicts speech units from the video: SyncVSR's audio tokens, LMDecoder's speech units.

SyncVSR (Ahn et al. 2024) adds such a cross-entropy to CTC, 4 tokens per frame from each of 2 codebooks of 320;
LMDecoder's first stage (Yeo et al. 2024) predicts speech units alone. Units are those of the folder: k-means of MFCCs
or of HuBERT, or codes of a quantiser.

Shapes: B clips, T frames, D width, N units per frame, G codebooks of K units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.numbers import COUNT
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.data.frame_units import read_frame_units
from vsr.data.manifest import Clip
from vsr.data.targets import Target
from vsr.models.heads import HeadSettings
from vsr.models.limits import check_sizes
from vsr.models.registry import HEADS
from vsr.text.hypothesis import Hypothesis

UNITS = "units"  # name of the target


class FrameUnitHead(nn.Linear):
    """States -> logits of the units of each frame."""

    counted = UNITS
    writes = False  # outputs no text

    def __init__(self, dim: int, per_frame: int, groups: int, size: int):
        super().__init__(dim, per_frame * groups * size)
        self.sizes = (per_frame, groups, size)

    def forward(self, states: Tensor) -> Tensor:
        """states (B, T, D) -> logits (B, T, N, G, K)."""
        return super().forward(states).unflatten(-1, self.sizes)

    def loss(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy, mean over the known units, and ``accuracy``, the share of correct ones."""
        known = batch.targets[UNITS]
        logits = self(states).float()
        total = F.cross_entropy(logits.movedim(-1, 1), known, ignore_index=IGNORE, reduction="sum")
        wrong, count = self.errors(logits, known)
        return {"loss": total / count.clamp(min=1), "accuracy": 1 - wrong / count.clamp(min=1)}

    def errors(self, logits: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """(errors, count) of the likeliest units, over the known units (B, T, N, G)."""
        is_known = known != IGNORE
        return ((logits.argmax(-1) != known) & is_known).sum(), is_known.sum()

    @torch.no_grad()
    def measured(self, states: Tensor, batch: Batch) -> tuple[int, int]:
        """(wrong units, units) of a batch, for validation."""
        wrong, count = self.errors(self(states), batch.targets[UNITS])
        return int(wrong), int(count)

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """No hypotheses, as units are no text."""
        return [[] for _ in lengths]


@HEADS.register("frame_units")
@dataclass(frozen=True)
class FrameUnitSettings(HeadSettings):
    """Settings of `FrameUnitHead`: ``name`` in the files of ``folder``, ``per_frame`` x ``groups`` units below
    ``size`` for each frame."""

    folder: str = "data/features"
    name: str = UNITS
    size: int = 200
    per_frame: int = 2
    groups: int = 1

    def __post_init__(self):
        check_sizes(self, size=COUNT, per_frame=COUNT, groups=COUNT)

    def tokenizer(self, shared: Any) -> Any:
        """The shared one, which is not used: units are no text."""
        return shared

    def targets(self, clip: Clip, frames: int, tokenizer: Any) -> dict[str, Target]:
        """``units`` (T, N, G), one row per frame, so that they follow augmentation in time."""
        c = self
        units = read_frame_units(c.folder, clip, c.name, frames, c.per_frame, c.groups, c.size)
        return {UNITS: Target(units, per_frame=True)}

    def build(self, dim: int, vocab_size: int) -> FrameUnitHead:
        return FrameUnitHead(dim, self.per_frame, self.groups, self.size)
