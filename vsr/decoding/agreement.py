"""Word confidence of a fused model: confidences of pixels and tracks, weighted as in the search."""

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
    """Words with the confidence of the pixels -> words with the confidence of both readers; states (T, P + L)."""
    log_probs, weight = model.said_by_tracks(states[None], torch.tensor([len(states)], device=states.device))
    ids = {name: FIRST + index for index, name in enumerate(model.config.words)}
    tokens = [ids[word.word] for word in words if word.word in ids]
    confidences = iter([confidence for _, _, confidence in align_tokens(log_probs[0], tokens)])
    result, share = [], float(weight) / (1 + float(weight))
    for word in words:
        of_tracks = next(confidences) if word.word in ids else 0.0
        result.append(
            replace(word, confidence=calibrated((1 - share) * word.confidence + share * of_tracks, calibration))
        )
    return result
