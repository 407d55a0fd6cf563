"""Which verb a configuration is of, by a setting that only its kind has: what is given to another verb is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

SIGNS = {  # the first that a configuration has is what counts
    "llm": "vsr train", "gan": "lip2speech vocoder", "data.segment": "lip2speech vocoder",
    "data.targets": "lip2speech translator", "data.clips": "lip2speech face", "data.tokens_per_batch": "vsr lm train",
    "data.tokenizer": "vsr train", "data.units": "lip2speech train", "data.views": "lip2speech train",
    "data.features": "lip2speech listener",
}  # fmt: skip


def verb_of(has: Callable[[str], bool]) -> str:
    """The verb of a configuration that has some settings, "" for one that could be of several."""
    return next((verb for sign, verb in SIGNS.items() if has(sign)), "")


def other_verb(settings: Any, kind: type) -> str:
    """The verb whose configuration these settings are, where ``kind`` is that of another; else ""."""
    given, wanted = verb_of(lambda sign: _in_settings(settings, sign)), verb_of(lambda sign: _in_kind(kind, sign))
    return given if given and wanted and given != wanted else ""


def _in_settings(settings: Any, sign: str) -> bool:
    for key in sign.split("."):
        if not isinstance(settings, dict) or key not in settings:
            return False
        settings = settings[key]
    return True


def _in_kind(kind: Any, sign: str) -> bool:
    for key in sign.split("."):
        hints = get_type_hints(kind) if isinstance(kind, type) else {}
        if key not in hints:
            return False
        kind = hints[key]
    return True
