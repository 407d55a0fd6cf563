"""Exports the numbers of an Inspection for the script of its page: posteriors, attention, words, times."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from vsr.core.clock import FPS
from vsr.core.tokens import BLANK
from vsr.report.collect import Inspection
from vsr.report.images import base64_bytes
from vsr.report.lanes import shown_tokens

LIKELIEST = 5  # tokens listed for each frame


def script_data(inspection: Inspection, columns: int, rows: int) -> str:
    """The data of the script, as JSON that cannot close its script element; ``columns`` and ``rows``: of the sprite."""
    value = {
        "frames": len(inspection.posteriors), "fps": FPS, "first": inspection.span[0],
        "start": int(inspection.opening.argmax()),
        "times": [round(float(second), 3) for second in inspection.edges[:-1]],
        "sprite": [columns, rows], "maps": _maps(inspection), "words": _words(inspection),
        "top": _likeliest(inspection),
    }  # fmt: skip
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _maps(inspection: Inspection) -> dict[str, dict]:
    """The data of each canvas of the lanes, by its name."""
    posteriors = inspection.posteriors
    tokens = shown_tokens(posteriors)
    attention = {
        f"look{k}": _map(weights, inspection.tokens) for k, weights in enumerate(inspection.attention.values())
    }
    return {
        "ctc": _map(posteriors[:, tokens].T, [inspection.labels[i] for i in tokens]),
        "blank": _map(posteriors[:, [BLANK]].T, ["blank"]),
    } | attention


def _map(values: np.ndarray, labels: Sequence[str]) -> dict:
    """Values (rows, T) as bytes relative to their peak."""
    peak = max(float(values.max()), 1e-9)
    data = base64_bytes(np.round(255 * values / peak).astype(np.uint8))
    return {"labels": labels, "peak": round(peak, 5), "data": data}


def _words(inspection: Inspection) -> list[dict]:
    """Each word with its confidence, and its start and end in frames."""
    records = []
    for word in inspection.words:
        first, last = inspection.frame_at(word.start), inspection.frame_at(word.end)
        record = {"word": word.word, "confidence": round(word.confidence, 4)}
        records.append(record | {"from": round(first, 3), "to": round(last, 3)})
    return records


def _likeliest(inspection: Inspection) -> list[list[list]]:
    """The most probable tokens of each frame, [label, posterior] each."""
    orders = np.argsort(-inspection.posteriors, axis=1)[:, :LIKELIEST].tolist()
    rows = zip(inspection.posteriors, orders, strict=True)
    return [[[inspection.labels[i], round(float(frame[i]), 4)] for i in order] for frame, order in rows]
