"""Named text normalisers; a score always says which one it used."""

from __future__ import annotations

import re

from vsr.errors import VsrError


def fold_spaces(text: str) -> str:
    """Single spaces, none at the ends."""
    return " ".join(text.split())


def lower(text: str) -> str:
    """Lower case without punctuation; apostrophes inside words stay, typographic ones become plain."""
    text = text.lower().replace("’", "'")
    text = re.sub(r"[^\w\s']|_", " ", text)
    return fold_spaces(re.sub(r"(?<!\w)'|'(?!\w)", " ", text))


def alnum(text: str) -> str:
    """As ``lower``, with apostrophes removed too ("don't" -> "dont")."""
    return fold_spaces(lower(text).replace("'", ""))


NORMALISERS = {"none": fold_spaces, "lower": lower, "alnum": alnum}


def normaliser(name: str):
    """The function str -> str of that name. Raises VsrError naming the known ones."""
    if name not in NORMALISERS:
        raise VsrError("bad_config", f"unknown normaliser '{name}'; known: {', '.join(NORMALISERS)}")
    return NORMALISERS[name]
