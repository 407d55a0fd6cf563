"""Hypotheses of one window -> words with times, their calibrated confidence, and whether they are more than guesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vsr.decoding.align import align_text
from vsr.decoding.confidence import calibrated, settled
from vsr.decoding.domain import at_most, entropy_of, in_domain, measures
from vsr.decoding.viterbi import Word
from vsr.models.fusion import FusedReader
from vsr.text.hypothesis import words_in

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel
    from vsr.text.hypothesis import Hypothesis

KNOWN = "known"  # in the config of a model of two readers: "confidence" and "domain" of what the pixels read alone


def assess(
    loaded: LoadedModel, states: Tensor, ranked: Sequence[Hypothesis], calibrate: bool = True, most: float = 1.0
) -> tuple[list[list[Word]], float | None]:
    """Encoder states (T, D) and hypotheses, best first -> the words of each, and the chance that the best is of the
    model's domain (None for a model that was not fitted). Without ``calibrate`` confidences stay as they are.

    ``most``: what that chance can be (`vsr.face.frame_rate.highest_chance`); below a half it holds for a model that was
    not fitted, too, and words are no surer than twice as much.
    """
    fitted = fitted_for(loaded, states)
    calibration = fitted.get("confidence") if calibrate else None
    raw = [align_text(loaded.model, states, words_in(own, loaded.tokenizer), own.tokens) for own in ranked]
    chance = None
    if domain := fitted.get("domain"):
        sure = [word.confidence for word in raw[0]]
        chance = in_domain(measures(loaded.model, states, ranked[0].tokens, ranked[0].score, sure), domain)
    chance = at_most(chance, most)

    def believed(word: Word) -> Word:
        return replace(word, confidence=min(calibrated(word.confidence, calibration, chance), 2 * most))

    return [[believed(word) for word in words] for words in raw], chance


def fitted_for(loaded: LoadedModel, states: Tensor) -> dict:
    """The "confidence" and "domain" that hold for states (T, D)."""
    own = loaded.config[KNOWN] if KNOWN in loaded.config and not by_both(loaded, states) else loaded.config
    if "familiar" not in (own.get("confidence") or {}):
        return own
    return own | {"confidence": settled(own["confidence"], entropy_of(loaded.model, states))}


@torch.inference_mode()
def by_both(loaded: LoadedModel, states: Tensor) -> bool:
    """Whether the tracks of a fused reader had a say in what was made of states (T, D)."""
    lengths = torch.tensor([len(states)], device=states.device)
    return isinstance(loaded.model, FusedReader) and bool(loaded.model.said_by_tracks(states[None], lengths)[1] > 0)
