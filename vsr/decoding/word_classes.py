"""States of clips of one word each -> records like those of a search: the word, its probability, the next likely."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor

from vsr.core.clock import FPS
from vsr.decoding.confidence import calibrated
from vsr.decoding.heads import read_by
from vsr.modelstore.folder import LoadedModel

WORDS = "words"  # name of the head
LISTED = 5  # words that a record lists at least: what top-5 accuracy needs


def word_records(
    loaded: LoadedModel, ids: list[str], states: Tensor, lengths: Tensor, nbest: int, calibrate: bool = True
) -> Iterator[dict]:
    """One record a clip, of states (B, T, D), with the ``nbest`` likeliest words and never fewer than five."""
    calibration = loaded.config.get("confidence") if calibrate else None
    found = read_by(loaded, WORDS, states, lengths, max(nbest, LISTED))
    for clip_id, length, ranked in zip(ids, lengths.tolist(), found, strict=True):
        text, score = ranked[0]["text"], ranked[0]["score"]
        confidence = calibrated(math.exp(score), calibration)
        yield {
            "id": clip_id,
            "text": text,
            "score": score,
            "confidence": confidence,
            "words": [{"word": text, "start": 0.0, "end": length / FPS, "confidence": confidence}],
            "nbest": ranked,
        }
