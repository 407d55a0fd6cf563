"""Which objective trains which model."""

from __future__ import annotations

from vsr.models.lipreader import LipReaderConfig
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.step import Objective
from vsr.objectives.word_classes import word_loss


def objective_of(config: LipReaderConfig) -> Objective:
    """The objective that belongs to the heads of a model."""
    return word_loss if config.classes else ctc_attention
