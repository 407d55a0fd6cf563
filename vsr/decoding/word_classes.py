"""States of clips of one word each -> records like those of a search: the word, its probability, and the n-best."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor

from vsr.core.clock import FPS
from vsr.decoding.confidence import calibrated
from vsr.decoding.heads import read_by
from vsr.modelstore.folder import LoadedModel

WORDS = "words"  # name of the head
LISTED = 5  # least number of words in a record, as top-5 accuracy needs


def word_records(
    loaded: LoadedModel, ids: list[str], states: Tensor, lengths: Tensor, nbest: int, calibrate: bool = True
) -> Iterator[dict]:
    """Yield one record per clip from states (B, T, D), with the ``nbest`` likeliest words, at least five."""
    calibration = loaded.config.get("confidence") if calibrate else None
    rankings = read_by(loaded, WORDS, states, lengths, max(nbest, LISTED))
    for clip_id, length, ranked in zip(ids, lengths.tolist(), rankings, strict=True):
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
