"""What a model is trained by, by name: functions (model, batch) -> losses, of which "loss" is descended.

One is added from outside by ``@OBJECTIVES.register("mine")`` and asked for by ``objective: mine`` in the YAML; see
`docs/extending.md`. An objective that not every model can have has an attribute ``needs``, a function of the model's
config that raises ValueError.
"""

from __future__ import annotations

from vsr.core.registry import Registry
from vsr.models.lipreader import LipReaderConfig
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.mixspeech import mixspeech
from vsr.objectives.step import Objective
from vsr.objectives.word_classes import word_loss

OBJECTIVES: Registry[Objective] = Registry("objective", "vsr.objectives")
OBJECTIVES.register("ctc_attention")(ctc_attention)
OBJECTIVES.register("mixspeech")(mixspeech)
OBJECTIVES.register("word_classes")(word_loss)


def objective_of(config: LipReaderConfig, name: str = "") -> Objective:
    """The objective of that name, else the one that belongs to the heads of a model. Raises ValueError."""
    objective = OBJECTIVES[name or ("word_classes" if config.only_words else "ctc_attention")]
    if needs := getattr(objective, "needs", None):
        needs(config)
    return objective
