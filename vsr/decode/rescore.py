"""N-best lists scored anew by the attention decoder: w * (score of the list) + (1 - w) * attention.

Shapes: N hypotheses of one clip, U tokens of the longest, T frames, D width.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from vsr.data.batching import CropDataset
from vsr.data.manifest import read_manifest
from vsr.decode.beam import check_heads
from vsr.errors import VsrError
from vsr.files import write_lines
from vsr.hub import LoadedModel
from vsr.models.lipreader import IGNORE, shift_tokens


@torch.inference_mode()
def attention_scores(model, states: Tensor, hypotheses: Sequence[Sequence[int]], eos_id: int) -> list[float]:
    """Log-probability of each hypothesis with its end by the decoder, from one clip's states (T, D)."""
    tokens = pad_sequence(
        [torch.tensor(own, dtype=torch.long) for own in hypotheses], batch_first=True, padding_value=IGNORE
    ).to(states.device)
    tokens_in, targets = shift_tokens(tokens, eos_id)
    count = len(hypotheses)
    lengths = torch.full((count,), len(states), device=states.device)
    logits = model.decoder(tokens_in, states.expand(count, -1, -1), lengths)
    own = logits.float().log_softmax(-1).gather(2, targets.clamp(min=0)[..., None])[..., 0]
    return own.masked_fill(targets == IGNORE, 0.0).sum(1).tolist()


def rescore_manifest(
    loaded: LoadedModel, manifest: str | Path, nbest: str | Path, out: str | Path, weight: float
) -> int:
    """Re-order the ``nbest`` of every record of a JSONL of hypotheses; returns how many have a new best text.

    Raises VsrError.
    """
    if not 0 <= weight <= 1:
        raise VsrError("bad_config", f"the weight {weight} is not between 0 and 1")
    check_heads(loaded.model, "joint")
    clips = read_manifest(manifest)
    places = {clip.id: index for index, clip in enumerate(clips)}
    dataset = CropDataset(clips, loaded.tokenizer, None)
    records = read_nbest(nbest, places)
    found = [rescored(loaded, dataset.batch([places[record["id"]]]), record, weight) for record in records]
    write_lines(out, (json.dumps(record, ensure_ascii=False) for record in found))
    return sum(new["text"] != old["text"] for new, old in zip(found, records, strict=True))


def rescored(loaded: LoadedModel, batch, record: dict, weight: float) -> dict:
    """A record with its n-best in the order of the new scores."""
    batch = batch.to(next(loaded.model.parameters()).device)
    with torch.inference_mode():
        states = loaded.model.encode(batch.video, batch.lengths)[0]
    tokens = [loaded.tokenizer.encode(h["text"]) for h in record["nbest"]]
    attention = attention_scores(loaded.model, states, tokens, loaded.tokenizer.eos_id)
    listed = [
        {"text": h["text"], "score": weight * h["score"] + (1 - weight) * a}
        for h, a in zip(record["nbest"], attention, strict=True)
    ]
    listed.sort(key=lambda h: -h["score"])
    return {"id": record["id"], "text": listed[0]["text"], "score": listed[0]["score"], "nbest": listed}


def read_nbest(path: str | Path, known) -> list[dict]:
    """Records with id and a non-empty nbest of text and score. Raises VsrError naming the line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_manifest", f"cannot read {path}: {error}") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            nbest = [{"text": str(h["text"]), "score": float(h["score"])} for h in record["nbest"]]
            records.append({"id": record["id"], "text": nbest[0]["text"], "nbest": nbest})
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise VsrError("bad_manifest", f"{path}, line {number}: no hypotheses with id and nbest") from error
        if record["id"] not in known:
            raise VsrError("bad_manifest", f"{path}, line {number}: the manifest has no clip {record['id']}")
    return records
