"""The units of a tokenizer as a list for a model's config: pieces with SentencePiece's mark, or characters with the
space. Text is then encoded with the fewest of them that spell it (`ListTokenizer`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.text.tokenizer import MARK, ListTokenizer, WordTokenizer, load_tokenizer
from vsr.text.unit_list import UnitList


def pieces_in(folder: str | Path) -> tuple[str, ...]:
    """The units of a folder of `vsr tokens`; words become pieces that start with the mark.

    Raises VsrError bad_model without a tokenizer of text, or for one of upper case.
    """
    tokenizer = load_tokenizer(folder)
    if not isinstance(tokenizer, UnitList) or tokenizer.unit != "text" or getattr(tokenizer, "case", "") == "upper":
        problem = "is of phonemes, visemes or upper case: make one by vsr tokens --kind char, word or unigram"
        raise VsrError("bad_model", f"the tokenizer of {folder} {problem}")
    return (
        tuple(MARK + unit for unit in tokenizer.units)
        if isinstance(tokenizer, WordTokenizer)
        else tuple(tokenizer.units)
    )


def of_pieces(pieces: Sequence[str]) -> ListTokenizer:
    """The tokenizer for a list of `pieces_in`. Raises VsrError bad_model."""
    return ListTokenizer(pieces)
