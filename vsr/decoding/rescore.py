"""Rescore n-best lists: w * (score of the list) + (1 - w) * attention + each language model's weight * its score.

Shapes: N hypotheses of one clip, U tokens of the longest, T frames, D width.
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vsr.core.errors import VsrError
from vsr.core.files import read_lines, write_lines
from vsr.core.numbers import SHARE, check_number, is_number
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch, CropDataset
from vsr.data.manifest import Clip, read_manifest
from vsr.decoding.encoding import encode_batch
from vsr.decoding.search import check_heads
from vsr.models.targets import shift_tokens
from vsr.modelstore.folder import LoadedModel


@torch.inference_mode()
def attention_scores(model, states: Tensor, hypotheses: Sequence[Sequence[int]], eos_id: int) -> list[float]:
    """Log-probability by the decoder of each hypothesis including its end, from one clip's states (T, D)."""
    tokens = pad_sequence(
        [torch.tensor(tokens, dtype=torch.long) for tokens in hypotheses], batch_first=True, padding_value=IGNORE
    ).to(states.device)
    tokens_in, targets = shift_tokens(tokens, eos_id)
    count = len(hypotheses)
    lengths = torch.full((count,), len(states), device=states.device)
    logits = model.decoder(tokens_in, states.expand(count, -1, -1), lengths)
    log_probs = logits.float().log_softmax(-1).gather(2, targets.clamp(min=0)[..., None])[..., 0]
    return log_probs.masked_fill(targets == IGNORE, 0.0).sum(1).tolist()


def rescore_manifest(
    loaded: LoadedModel, manifest: str | Path, nbest: str | Path, out: str | Path, weight: float, languages=()
) -> int:
    """Re-order the n-best of every record in ``nbest``, a JSONL of hypotheses; returns how many best texts changed.

    ``languages`` come from `vsr.decoding.shallow_fusion.languages_of`. Raises VsrError.
    """
    check_number("--weight", weight, SHARE)
    check_heads(loaded.model, "joint")
    clips = read_manifest(manifest)
    places = {clip.id: index for index, clip in enumerate(clips)}
    dataset = CropDataset(clips, loaded.tokenizer, None)
    records = read_nbest(nbest, places)
    results = []
    for record in records:
        tokens = [loaded.tokenizer.encode(hypothesis["text"]) for hypothesis in record["nbest"]]
        scores = [weight * hypothesis["score"] for hypothesis in record["nbest"]]
        if weight < 1:
            place = places[record["id"]]
            attentions = clip_attention(loaded, dataset.batch([place]), tokens, clips[place])
            scores = [score + (1 - weight) * attention for score, attention in zip(scores, attentions, strict=True)]
        for language_weight, language in languages:
            scores = [
                score + language_weight * log_prob
                for score, log_prob in zip(scores, language.sentences(tokens), strict=True)
            ]
        results.append(reordered(record, scores))
    write_lines(out, (json.dumps(record, ensure_ascii=False) for record in results))
    return sum(new["text"] != old["text"] for new, old in zip(results, records, strict=True))


@torch.inference_mode()
def clip_attention(loaded: LoadedModel, batch: Batch, tokens: Sequence[Sequence[int]], clip: Clip) -> list[float]:
    """`attention_scores` of hypotheses of ``clip``, the only one in ``batch``."""
    batch = batch.to(next(loaded.model.parameters()).device)
    states = encode_batch(loaded, batch, [clip])[0]
    return attention_scores(loaded.model, states, tokens, loaded.tokenizer.eos_id)


def reordered(record: dict, scores: Sequence[float]) -> dict:
    """A record with its n-best in the order of the new scores."""
    listed = [
        {"text": hypothesis["text"], "score": score} for hypothesis, score in zip(record["nbest"], scores, strict=True)
    ]
    listed.sort(key=lambda hypothesis: -hypothesis["score"])
    return {"id": record["id"], "text": listed[0]["text"], "score": listed[0]["score"], "nbest": listed}


def _finite(score) -> float:
    if not is_number(float(score)):
        raise ValueError(f"{score} is no score")
    return float(score)


def read_nbest(path: str | Path, ids: Container[str]) -> list[dict]:
    """Records with id and a non-empty nbest of text and score. Raises VsrError naming the line."""
    records = []
    for number, line in read_lines(path):
        try:
            record = json.loads(line)
            nbest = [
                {"text": str(hypothesis["text"]), "score": _finite(hypothesis["score"])}
                for hypothesis in record["nbest"]
            ]
            records.append({"id": record["id"], "text": nbest[0]["text"], "nbest": nbest})
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise VsrError("bad_manifest", f"{path}, line {number}: no hypotheses with id and nbest") from error
        if record["id"] not in ids:
            raise VsrError("bad_manifest", f"{path}, line {number}: the manifest has no clip {record['id']}")
    return records
