"""Training objectives by name: functions (model, batch) -> losses, of which "loss" is minimised.

``@OBJECTIVES.register("mine")`` adds an objective, also from outside of the package, and ``objective: mine`` in the
YAML selects it; see `docs/extending.md`. An objective with settings is a frozen dataclass whose instances are such
functions, selected by ``objective: {kind: mine, settings}``. Optional methods: ``needs(config)`` raises ValueError for
a model that cannot have the objective, ``bound(tokenizer)`` returns a copy that can decode tokens, and
``with_teacher(model)`` a copy with the averaged weights of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vsr.core.registry import Registry
from vsr.models.lipreader import LipReaderConfig
from vsr.models.registry import settings_of
from vsr.objectives.clean_targets import CleanTargets
from vsr.objectives.contrast import contrast
from vsr.objectives.ctc_attention import ctc_attention
from vsr.objectives.minimum_risk import MinimumRisk
from vsr.objectives.mixspeech import mixspeech
from vsr.objectives.policy_gradient import PolicyGradient
from vsr.objectives.pseudo_labels import PseudoLabels
from vsr.objectives.scheduled_sampling import ScheduledSampling
from vsr.objectives.step import Objective
from vsr.objectives.word_classes import word_loss

OBJECTIVES: Registry[Any] = Registry("objective", "vsr.objectives")
OBJECTIVES.register("ctc_attention")(ctc_attention)
OBJECTIVES.register("mixspeech")(mixspeech)
OBJECTIVES.register("contrast")(contrast)
OBJECTIVES.register("word_classes")(word_loss)
for _kind in (MinimumRisk, PolicyGradient, ScheduledSampling, PseudoLabels, CleanTargets):
    OBJECTIVES.register(_kind.name)(_kind)


def objective_of(
    config: LipReaderConfig, name: str = "", settings: Mapping[str, Any] | None = None, tokenizer: Any = None
) -> Objective:
    """The objective of that name, by default the one for the heads of the model. Raises ValueError."""
    name = name or ("word_classes" if config.only_words else "ctc_attention")
    objective = OBJECTIVES[name]
    if isinstance(objective, type):
        objective = settings_of(OBJECTIVES, name, settings or {})
    elif settings:
        raise ValueError(f"the objective {name} has no settings, such as {min(settings)}")
    if needs := getattr(objective, "needs", None):
        needs(config)
    return objective.bound(tokenizer) if tokenizer is not None and hasattr(objective, "bound") else objective
