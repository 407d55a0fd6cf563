"""Confidence of a fused model in its words: scores of pixels and tracks, weighted as in the search."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vsr.decoding.confidence import calibrated
from vsr.decoding.evidence import FIRST
from vsr.decoding.viterbi import Word, align_tokens
from vsr.models.fusion import FusedReader


@torch.inference_mode()
def agreed(model: FusedReader, states: Tensor, words: list[Word], calibration: dict | None) -> list[Word]:
    """Words with the confidence of the pixels -> with that of both; states (T, P + L)."""
    said, weight = model.said_by_tracks(states[None], torch.tensor([len(states)], device=states.device))
    places = {word: FIRST + index for index, word in enumerate(model.config.words)}
    known = [places[own.word] for own in words if own.word in places]
    sure = iter([confidence for _, _, confidence in align_tokens(said[0], known)])
    found, share = [], float(weight) / (1 + float(weight))
    for own in words:
        by_tracks = next(sure) if own.word in places else 0.0
        found.append(replace(own, confidence=calibrated((1 - share) * own.confidence + share * by_tracks, calibration)))
    return found
