"""The units of a tokenizer's folder as a list that a model's config can hold: pieces with SentencePiece's mark, or
characters with the space. Text is then written with the fewest of them that spell it (`ListTokenizer`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.text.listed import Listed
from vsr.text.tokenizer import MARK, ListTokenizer, WordTokenizer, load_tokenizer


def pieces_in(folder: str | Path) -> tuple[str, ...]:
    """The units of a folder of `vsr tokens`; words are pieces that open with the mark.

    Raises VsrError bad_model where there is no tokenizer of text, or one of upper case.
    """
    found = load_tokenizer(folder)
    if not isinstance(found, Listed) or found.unit != "text" or getattr(found, "case", "") == "upper":
        problem = "is of phonemes, visemes or upper case: make one by vsr tokens --kind char, word or unigram"
        raise VsrError("bad_model", f"the tokenizer of {folder} {problem}")
    return tuple(MARK + unit for unit in found.units) if isinstance(found, WordTokenizer) else tuple(found.units)


def of_pieces(pieces: Sequence[str]) -> ListTokenizer:
    """The tokenizer of such a list. Raises VsrError bad_model."""
    return ListTokenizer(pieces)
