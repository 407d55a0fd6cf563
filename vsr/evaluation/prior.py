"""The prior without video: the most frequent word of each place of a sentence, a baseline for lip readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from vsr.core.errors import VsrError
from vsr.text.normalise import lower


def prior_text(texts: Iterable[str]) -> str:
    """A sentence of the texts' most frequent length, with the most frequent word at each place in texts of that length;
    ties go to the first in the alphabet. Raises VsrError bad_manifest without words."""
    sentences = [words for text in texts if (words := lower(text).split())]
    if not sentences:
        raise VsrError("bad_manifest", "no text from which a prior could be counted")
    length = _likeliest(map(len, sentences))
    return " ".join(
        _likeliest(column) for column in zip(*(words for words in sentences if len(words) == length), strict=True)
    )


def _likeliest(values: Iterable):
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value))
