"""Named text normalisers; a score always names the one it used.

Each begins with NFC, as composed letters and combining marks may write the same text. A combining mark (Unicode M) is
part of its letter, like the vowels of Devanagari or Thai, and never counts as punctuation.
"""

from __future__ import annotations

import functools
import re
from unicodedata import category, name, normalize

from vsr.core.errors import VsrError

APOSTROPHES = dict.fromkeys(map(ord, "\u2019\u02bc\uff07"), "'")
# Signs that choose a glyph and have no sound, beside those of the category Cf.
VARIANTS = re.compile("[\u034f\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
DOT = re.compile("(?<=[ij])\u0307")  # an i has its dot already: "\u0130".lower() adds a second one


def fold_spaces(text: str) -> str:
    """NFC; single spaces, none at the ends."""
    return " ".join(normalize("NFC", text).split())


def visible(text: str) -> str:
    """NFC without invisible characters: soft hyphens, joiners and non-joiners, marks of direction, glyph variants.

    A word in Persian that a non-joiner divides becomes one word.
    """
    if text.isascii():
        return text
    return normalize("NFC", VARIANTS.sub("", "".join(c for c in text if category(c) != "Cf")))


def lower_case(text: str) -> str:
    """The visible text in lower case; a Turkish capital I with a dot becomes a plain i."""
    text = visible(text).lower()
    return text if text.isascii() else normalize("NFC", DOT.sub("", text))


def lower(text: str) -> str:
    """Lower case without punctuation; apostrophes inside words stay, typographic ones become plain."""
    text = letters(lower_case(text).translate(APOSTROPHES))
    return fold_spaces(re.sub(r"(?<![^ '])'|'(?![^ '])", " ", text))


def letters(text: str) -> str:
    """Letters with their marks, digits and apostrophes; a mark without a letter is dropped, all else is a space."""
    characters: list[str] = []
    for c in text:
        kind = category(c)[0]
        if kind == "M":
            characters += c if characters and characters[-1] not in " '" else ""
        else:
            characters.append(c if kind in "LN" or c == "'" else " ")
    return "".join(characters)


def alnum(text: str) -> str:
    """Like ``lower``, and without apostrophes ("don't" -> "dont")."""
    return fold_spaces(lower(text).replace("'", ""))


def mteval13a(text: str) -> str:
    """Lower case, tokenised like NIST's mteval-v13a, without tokens of punctuation (fairseq's WER)."""
    text = f" {visible(text)} "
    for pattern, replacement in TOKENISE_13A:
        text = re.sub(pattern, replacement, text)
    return " ".join(token for token in lower_case(text).split() if not all(category(c).startswith("P") for c in token))


# The language-dependent part of mteval-v13a: separate punctuation, and full stops and commas unless within numbers.
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
    """OpenAI Whisper's English normaliser: contractions and numbers in one form; without its table of British
    spellings, which is not part of the code.

    It drops combining marks or replaces them by spaces, which changes words of many scripts. Raises VsrError for those.
    """
    text = visible(text)
    if torn := next((word for word in text.split() if _has_marks(word)), ""):
        problem = f"the normaliser 'whisper' is for English and would tear '{torn}' apart: use 'lower'"
        raise VsrError("bad_config", problem)
    return fold_spaces(_whisper_normaliser()(text))


def _has_marks(word: str) -> bool:
    """Whether there are combining marks on letters other than Latin ones."""
    pairs = zip(word, word[1:], strict=False)
    return any(category(mark)[0] == "M" and not name(before, "LATIN").startswith("LATIN") for before, mark in pairs)


NORMALISERS = {"none": fold_spaces, "lower": lower, "alnum": alnum, "13a": mteval13a, "whisper": whisper}


def normaliser(name: str):
    """The function str -> str of that name. Raises VsrError that lists the known ones."""
    if name not in NORMALISERS:
        raise VsrError("bad_options", f"unknown normaliser '{name}'; known: {', '.join(NORMALISERS)}")
    return NORMALISERS[name]
