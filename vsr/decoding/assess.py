"""Hypotheses of one window -> words with times and calibrated confidence, and the probability of being in domain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vsr.decoding.align import align_text
from vsr.decoding.confidence import calibrated, calibration_for
from vsr.decoding.domain import entropy_of, in_domain, limited_probability, measures
from vsr.decoding.viterbi import Word
from vsr.models.fusion import FusedReader
from vsr.text.hypothesis import words_in

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel
    from vsr.text.hypothesis import Hypothesis

KNOWN = "known"  # in the config of a fused model: "confidence" and "domain" of clips read by the pixels alone


def assess(
    loaded: LoadedModel,
    states: Tensor,
    ranked: Sequence[Hypothesis],
    calibrate: bool = True,
    limit: float = 1.0,
) -> tuple[list[list[Word]], float | None]:
    """Encoder states (T, D) and hypotheses, best first -> the words of each, and the probability that the best one is
    in the model's domain (None for a model without a fit). Without ``calibrate`` confidences stay raw.

    ``limit``: upper bound of that probability (`vsr.face.frame_rate.domain_limit`). Below 0.5 it also
    applies to a model without a fit, and confidences of words are at most twice the bound.
    """
    fitted = fitted_for(loaded, states)
    calibration = fitted.get("confidence") if calibrate else None
    raw = [
        align_text(loaded.model, states, words_in(hypothesis, loaded.tokenizer), hypothesis.tokens)
        for hypothesis in ranked
    ]
    probability = None
    if domain := fitted.get("domain"):
        confidences = [word.confidence for word in raw[0]]
        probability = in_domain(measures(loaded.model, states, ranked[0].tokens, ranked[0].score, confidences), domain)
    probability = limited_probability(probability, limit)

    def with_confidence(word: Word) -> Word:
        return replace(word, confidence=min(calibrated(word.confidence, calibration, probability), 2 * limit))

    return [[with_confidence(word) for word in words] for words in raw], probability


def fitted_for(loaded: LoadedModel, states: Tensor) -> dict:
    """A config whose "confidence" and "domain" apply to states (T, D)."""
    config = loaded.config[KNOWN] if KNOWN in loaded.config and not by_both(loaded, states) else loaded.config
    if "familiar" not in (config.get("confidence") or {}):
        return config
    return config | {"confidence": calibration_for(config["confidence"], entropy_of(loaded.model, states))}


@torch.inference_mode()
def by_both(loaded: LoadedModel, states: Tensor) -> bool:
    """Whether the tracks of a fused model have weight in reading states (T, D)."""
    lengths = torch.tensor([len(states)], device=states.device)
    return isinstance(loaded.model, FusedReader) and bool(loaded.model.track_log_probs(states[None], lengths)[1] > 0)
