"""Named text normalisers; a score always says which one it used."""

from __future__ import annotations

import functools
import re
from unicodedata import category

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


def mteval13a(text: str) -> str:
    """Lower case, tokenised as NIST's mteval-v13a does, tokens of punctuation alone removed (fairseq's WER)."""
    text = f" {text} "
    for pattern, replacement in TOKENISE_13A:
        text = re.sub(pattern, replacement, text)
    return " ".join(token for token in text.lower().split() if not all(category(c).startswith("P") for c in token))


# The language-dependent part of mteval-v13a: punctuation apart, full stops and commas unless within numbers.
TOKENISE_13A = (
    (r"([{-~\[-` -&(-+:-@/])", r" \1 "),
    (r"([^0-9])([.,])", r"\1 \2 "),
    (r"([.,])([^0-9])", r" \1 \2"),
    (r"([0-9])(-)", r"\1 \2 "),
)


@functools.lru_cache(1)
def _whisper_normaliser():
    try:
        from transformers.models.whisper.english_normalizer import EnglishTextNormalizer
    except ImportError as error:
        raise VsrError("bad_config", "the normaliser 'whisper' needs transformers: pip install transformers") from error
    return EnglishTextNormalizer({})


def whisper(text: str) -> str:
    """OpenAI Whisper's English normaliser: contractions and numbers in one form; its table of British spellings,
    which is not part of the code, is left out."""
    return fold_spaces(_whisper_normaliser()(text))


NORMALISERS = {"none": fold_spaces, "lower": lower, "alnum": alnum, "13a": mteval13a, "whisper": whisper}


def normaliser(name: str):
    """The function str -> str of that name. Raises VsrError naming the known ones."""
    if name not in NORMALISERS:
        raise VsrError("bad_config", f"unknown normaliser '{name}'; known: {', '.join(NORMALISERS)}")
    return NORMALISERS[name]
