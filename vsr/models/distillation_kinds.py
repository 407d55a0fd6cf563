"""Settings of heads that learn from an audio teacher (`vsr.models.distilled_heads`), and their targets.

Shapes: T frames, N states of the teacher a frame, W its width, U tokens, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vsr.core.numbers import COUNT, NOT_NEGATIVE, POSITIVE
from vsr.data.manifest import Clip
from vsr.data.targets import Target
from vsr.data.teacher_targets import ATTENTION, COMMON, CONTEXT, CTC, STATES, read_teacher_target
from vsr.models.distilled_heads import (
    HEADS_OF,
    KNOWN,
    ContextDistillation,
    FrameDistillation,
    PosteriorDistillation,
    SequenceDistillation,
)  # fmt: skip
from vsr.models.heads import HeadSettings
from vsr.models.limits import check_sizes
from vsr.models.registry import HEADS

ALIGNED = ("frames", "attention")


@dataclass(frozen=True)
class TaughtSettings(HeadSettings):
    """``folder`` of `vsr teach`, ``width`` of the teacher's states, ``per_frame``: states per video frame;
    ``normalise``: as in LiteVSR2."""

    folder: str = "data/teacher"
    width: int = 192
    per_frame: int = 1
    normalise: bool = True

    def __post_init__(self):
        check_sizes(self, width=COUNT, per_frame=COUNT)

    def targets(self, clip: Clip, frames: int, tokenizer: Any) -> dict[str, Target]:
        """``states`` (T, N, W) and ``known`` (T,), per frame, so that they follow augmentation in time."""
        states = read_teacher_target(self.folder, clip, STATES, frames, (self.per_frame, self.width))
        return {STATES: Target(states, True), KNOWN: Target(np.ones(frames, np.int64), True)}


@HEADS.register("frame_distillation")
@dataclass(frozen=True)
class FrameDistillationSettings(TaughtSettings):
    """Settings of `FrameDistillation`."""

    align: str = "frames"

    def __post_init__(self):
        super().__post_init__()
        if self.align not in ALIGNED:
            raise ValueError(f"align is '{self.align}'; it can be {' or '.join(ALIGNED)}")

    def build(self, dim: int, vocab_size: int) -> FrameDistillation:
        return FrameDistillation(dim, self.width, self.per_frame, self.align, self.normalise)


@HEADS.register("sequence_distillation")
@dataclass(frozen=True)
class SequenceDistillationSettings(TaughtSettings):
    """Settings of `SequenceDistillation`."""

    def build(self, dim: int, vocab_size: int) -> SequenceDistillation:
        return SequenceDistillation(dim, self.width, self.normalise)


@HEADS.register("context_distillation")
@dataclass(frozen=True)
class ContextDistillationSettings(HeadSettings):
    """Settings of `ContextDistillation`; ``folder`` and ``width`` as in `TaughtSettings`. ``lcs``: only for tokens that
    the teacher recognised (longest common subsequence)."""

    folder: str = "data/teacher"
    width: int = 192
    normalise: bool = True
    lcs: bool = True

    def __post_init__(self):
        check_sizes(self, width=COUNT)

    def targets(self, clip: Clip, frames: int, tokenizer: Any) -> dict[str, Target]:
        """``context`` (U + 1, W) and ``known`` (U + 1,)."""
        targets = read_steps(self.folder, clip, CONTEXT, self.width, tokenizer, self.lcs)
        return {CONTEXT: targets[0], KNOWN: targets[1]}

    def build(self, dim: int, vocab_size: int) -> ContextDistillation:
        return ContextDistillation(dim, self.width, self.normalise)


@HEADS.register("posterior_distillation")
@dataclass(frozen=True)
class PosteriorDistillationSettings(HeadSettings):
    """Settings of `PosteriorDistillation`; ``of``: "ctc" or "attention". The teacher must have the same tokens."""

    folder: str = "data/teacher"
    of: str = CTC
    temperature: float = 1.0
    blank: float = 1.0
    lcs: bool = True

    def __post_init__(self):
        check_sizes(self, temperature=POSITIVE, blank=NOT_NEGATIVE)
        if self.of not in HEADS_OF:
            raise ValueError(f"of is '{self.of}'; it can be {' or '.join(HEADS_OF)}")

    def targets(self, clip: Clip, frames: int, tokenizer: Any) -> dict[str, Target]:
        """``log_probs`` (T, V) or (U + 1, V), and ``known``."""
        if self.of == ATTENTION:
            targets = read_steps(self.folder, clip, ATTENTION, tokenizer.vocab_size, tokenizer, self.lcs)
            return {"log_probs": targets[0], KNOWN: targets[1]}
        values = read_teacher_target(self.folder, clip, CTC, frames, (tokenizer.vocab_size,), tokenizer)
        return {"log_probs": Target(values, True), KNOWN: Target(np.ones(frames, np.int64), True)}

    def build(self, dim: int, vocab_size: int) -> PosteriorDistillation:
        return PosteriorDistillation(self.of, self.temperature, self.blank)


def read_steps(folder: str, clip: Clip, name: str, width: int, tokenizer: Any, lcs: bool) -> tuple[Target, Target]:
    """Outputs of the teacher's decoder at each token and the end: values (U + 1, W), and which are known (U + 1,)."""
    steps = len(tokenizer.encode(clip.text)) + 1
    values = read_teacher_target(folder, clip, name, steps, (width,), tokenizer)
    common = read_teacher_target(folder, clip, COMMON, steps, (), tokenizer) if lcs else np.ones(steps, np.int64)
    return Target(values), Target(common)
