"""What is right without video: the most frequent word of each place of a sentence. A reader that looks must beat it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from vsr.core.errors import VsrError
from vsr.text.normalise import lower


def prior_text(texts: Iterable[str]) -> str:
    """The most frequent length of the texts, and of each place in those of that length the most frequent word; of equal
    ones the first in the alphabet. Raises VsrError bad_manifest without words."""
    each = [words for text in texts if (words := lower(text).split())]
    if not each:
        raise VsrError("bad_manifest", "no text from which a prior could be counted")
    length = _likeliest(map(len, each))
    return " ".join(_likeliest(column) for column in zip(*(own for own in each if len(own) == length), strict=True))


def _likeliest(values: Iterable):
    counts = Counter(values)
    return min(counts, key=lambda own: (-counts[own], own))
