"""Word grammars as ARPA text (the format of SRILM's and KenLM's n-gram files; -99 stands for probability zero)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vsr.core.errors import VsrError

NEVER = -99.0
MARKS = ("<s>", "</s>", "<unk>")


def slots_as_arpa(slots: Sequence[Sequence[str]]) -> str:
    """Bigrams for sentences with one word from each slot, all equally likely; no word may be in two slots.

    Raises VsrError for a word in two slots, which bigrams could not tell apart.
    """
    words = [word for slot in slots for word in slot]
    if len(set(words)) != len(words):
        raise VsrError("bad_config", "a word is in two slots: bigrams cannot hold that grammar")
    unigrams = [f"{NEVER}\t{word}\t{NEVER}" for word in ("<s>", "</s>", *words)]
    bigrams = []
    for before, after in zip((("<s>",), *slots), (*slots, ("</s>",)), strict=True):
        score = -math.log10(len(after))
        bigrams += [f"{score:.6f}\t{first} {second}" for first in before for second in after]
    counts = f"\\data\\\nngram 1={len(unigrams)}\nngram 2={len(bigrams)}\n"
    return "\n".join([counts, "\\1-grams:", *unigrams, "", "\\2-grams:", *bigrams, "", "\\end\\", ""])


def arpa_words(text: str) -> list[str]:
    """The words of an ARPA text, without sentence marks. Raises VsrError if there are none."""
    section = text.partition("\\1-grams:")[2].partition("\n\\")[0]
    rows = [line.split() for line in section.splitlines() if line.strip()]
    words = [row[1] for row in rows if len(row) >= 2 and row[1].lower() not in MARKS]
    if not words:
        raise VsrError("bad_config", "the grammar is no ARPA file with words in it")
    return words
