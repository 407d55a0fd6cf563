"""Hypotheses of one window -> words with times, their calibrated confidence, and whether they are more than guesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vsr.decoding.align import Word, align_text
from vsr.decoding.confidence import calibrated
from vsr.decoding.domain import in_domain, measures
from vsr.text.hypothesis import words_in

if TYPE_CHECKING:
    from vsr.decoding.options import Hypothesis
    from vsr.modelstore.folder import LoadedModel

MODELS_OWN: Any = object()  # the calibration that the model's config.json keeps


def assess(
    loaded: LoadedModel, states: Tensor, ranked: Sequence[Hypothesis], calibration: dict | None = MODELS_OWN
) -> tuple[list[list[Word]], float | None]:
    """Encoder states (T, D) and hypotheses, best first -> the words of each, and the chance that the best is of the
    model's domain (None for a model that was not fitted). ``calibration`` None leaves confidences as they are."""
    calibration = loaded.config.get("confidence") if calibration is MODELS_OWN else calibration
    raw = [align_text(loaded.model, states, words_in(own, loaded.tokenizer), own.tokens) for own in ranked]
    chance = None
    if domain := loaded.config.get("domain"):
        sure = [word.confidence for word in raw[0]]
        chance = in_domain(measures(loaded.model, states, ranked[0].tokens, ranked[0].score, sure), domain)

    def believed(word: Word) -> Word:
        return replace(word, confidence=calibrated(word.confidence, calibration, chance))

    return [[believed(word) for word in words] for words in raw], chance
