"""Recognise the verb that a configuration is for, by a setting that only its kind has, to name it in errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_type_hints

SIGNS = {  # the first key that a configuration has decides
    "llm": "vsr train", "gan": "lip2speech vocoder", "data.segment": "lip2speech vocoder",
    "data.targets": "lip2speech translator", "data.clips": "lip2speech face", "data.tokens_per_batch": "vsr lm train",
    "data.tokenizer": "vsr train", "data.units": "lip2speech train", "data.views": "lip2speech train",
    "data.features": "lip2speech listener",
}  # fmt: skip


def verb_of(has: Callable[[str], bool]) -> str:
    """The verb of a configuration, by ``has`` of its settings; "" for a configuration of no particular verb."""
    return next((verb for sign, verb in SIGNS.items() if has(sign)), "")


def other_verb(settings: Any, kind: type) -> str:
    """The verb that the settings are for, if ``kind`` is the configuration of a different verb; else ""."""
    verb, expected = verb_of(lambda sign: _in_settings(settings, sign)), verb_of(lambda sign: _in_kind(kind, sign))
    return verb if verb and expected and verb != expected else ""


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
