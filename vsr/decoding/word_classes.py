"""Batches of clips of one word each -> records like those of a search: the word, its probability, the next likely."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from vsr.core.clock import FPS
from vsr.data.batch import Batch
from vsr.decoding.confidence import calibrated
from vsr.models.words import FIRST
from vsr.modelstore.folder import LoadedModel

LISTED = 5  # words that a record lists at least: what top-5 accuracy needs


def word_records(loaded: LoadedModel, batch: Batch, nbest: int, calibration: dict | None) -> Iterator[dict]:
    """One record a clip, with the ``nbest`` likeliest words and never fewer than five."""
    count = min(max(nbest, LISTED), loaded.model.config.classes)
    with torch.inference_mode():
        logits = loaded.model.word_logits(batch.video, batch.lengths, batch.inside)
        scores, classes = logits.float().log_softmax(-1).topk(count)
    for clip_id, length, own, found in zip(
        batch.ids, batch.lengths.tolist(), scores.tolist(), (classes + FIRST).tolist(), strict=True
    ):
        words = loaded.tokenizer.pieces(found)
        confidence = calibrated(math.exp(own[0]), calibration)
        yield {
            "id": clip_id,
            "text": words[0],
            "score": own[0],
            "confidence": confidence,
            "words": [{"word": words[0], "start": 0.0, "end": length / FPS, "confidence": confidence}],
            "nbest": [{"text": word, "score": score} for word, score in zip(words, own, strict=True)],
        }
