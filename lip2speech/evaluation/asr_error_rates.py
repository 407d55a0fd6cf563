"""Error rates of a recogniser on a list: of words, or of phonemes for a phoneme recogniser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lip2speech.evaluation.phone_scorers import PHONES
from vsr.evaluation.units import interval, least_edits, reference_units
from vsr.evaluation.wer import score
from vsr.text.normalise import lower
from vsr.text.pronounce import Pronouncer

NORMALISER = "lower"  # of the texts of recognisers of words


def error_rate(name: str, texts: Mapping[str, str], transcripts: Mapping[str, str]) -> dict[str, Any]:
    """Error rate of the ``transcripts`` of the recogniser ``name`` (id -> words, or phonemes with spaces), with a
    95 % interval: ``wer``, or ``per``, each with ``_low`` and ``_high``. Without a transcript all counts as deleted.

    Raises VsrError bad_config where phonemes are needed and the pronunciations' package is missing.
    """
    if name != PHONES:
        return score(texts, transcripts, NORMALISER)[0].as_dict()
    pronouncer = Pronouncer()
    edits = [
        least_edits(reference_units(lower(text), "phoneme", pronouncer), transcripts.get(key, "").split())
        for key, text in texts.items()
    ]
    errors, *kinds, units = (sum(column) for column in zip(*edits, strict=True))
    low, high = interval(edits)
    counts = dict(zip(("substitutions", "deletions", "insertions"), kinds, strict=True))
    return {"per": errors / units, "per_low": low, "per_high": high, "phonemes": units, **counts}


def format_rate(rate: Mapping[str, Any] | None) -> str:
    """Cell of a table: the rate in per cent with its interval."""
    if rate is None:
        return "-"
    kind = rate_kind(rate)
    mean, low, high = (100 * rate[name] for name in (kind, f"{kind}_low", f"{kind}_high"))
    return f"{mean:.1f} ({low:.1f} - {high:.1f})"


def rate_kind(rate: Mapping[str, Any]) -> str:
    """The kind of a rate, "wer" or "per"."""
    return "per" if "per" in rate else "wer"
