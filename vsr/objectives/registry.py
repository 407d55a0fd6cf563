"""What a model is trained by, by name: functions (model, batch) -> losses, of which "loss" is descended.

One is added from outside by ``@OBJECTIVES.register("mine")`` and asked for by ``objective: mine`` in the YAML; see
`docs/extending.md`.
"""

from __future__ import annotations

from vsr.core.registry import Registry
from vsr.models.lipreader import LipReaderConfig
from vsr.objectives.contrast import contrast
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.step import Objective
from vsr.objectives.word_classes import word_loss

OBJECTIVES: Registry[Objective] = Registry("objective", "vsr.objectives")
OBJECTIVES.register("ctc_attention")(ctc_attention)
OBJECTIVES.register("contrast")(contrast)
OBJECTIVES.register("word_classes")(word_loss)


def objective_of(config: LipReaderConfig, name: str = "") -> Objective:
    """The objective of that name, else the one that belongs to the heads of a model. Raises ValueError."""
    return OBJECTIVES[name or ("word_classes" if config.only_words else "ctc_attention")]
