"""Which words are read worse: word errors of the words that hold each viseme, of frequent and of rare words.

Counted are the words of the references, right or not (substituted or deleted); an inserted word is none of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from vsr.decoding.confidence import correct_words
from vsr.evaluation.wer import UtteranceScore
from vsr.text.normalise import lower
from vsr.text.pronounce import Pronouncer
from vsr.text.visemes import VISEMES, visemes_of

Rows = dict[str, tuple[int, int]]  # name -> (words wrong, words)
BOUNDS = (0, 1, 10, 100, 1000)  # how often a word stands in the texts: from this number on


def words_of(each: Iterable[UtteranceScore]) -> Iterator[tuple[str, bool]]:
    """(word of a reference, whether it was read)."""
    for own in each:
        reference, hypothesis = own.reference.split(), own.hypothesis.split()
        yield from zip(reference, correct_words(hypothesis, reference), strict=True)


def by_viseme(each: Sequence[UtteranceScore], pronouncer: Pronouncer) -> Rows:
    """Viseme -> errors of the words whose first pronunciation holds it."""

    def classes(word: str) -> set[str]:
        found = pronouncer.variants(word)
        return set(visemes_of(found[0])) if found else set()

    shown: dict[str, set[str]] = {}
    rows = _grouped(((viseme, right) for word, right in words_of(each)
                     for viseme in shown.setdefault(word, classes(word))))  # fmt: skip
    return {viseme: rows[viseme] for viseme in VISEMES if viseme in rows}


def by_frequency(each: Sequence[UtteranceScore], texts: Iterable[str]) -> Rows:
    """Band of frequency in ``texts`` -> errors of the words of that band."""
    counts = Counter(word for text in texts for word in lower(text).split())
    rows = _grouped((_band(counts[word]), right) for word, right in words_of(each))
    return {name: rows[name] for name in map(_band, BOUNDS) if name in rows}


def _band(count: int) -> str:
    bound = max(own for own in BOUNDS if own <= count)
    above = [own for own in BOUNDS if own > count]
    return f"{bound}-{above[0] - 1}" if above and above[0] - 1 > bound else f"{bound}" if above else f"{bound} and more"


def _grouped(each: Iterable[tuple[str, bool]]) -> Rows:
    words: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for name, right in each:
        words[name] += 1
        wrong[name] += not right
    return {name: (wrong[name], count) for name, count in words.items()}


def table(title: str, rows: Mapping[str, tuple[int, int]]) -> str:
    """Lines of name, words wrong, words and their share."""
    width = max([len(title), *map(len, rows)])
    lines = [f"{title:<{width}}  wrong  words  share"]
    lines += [f"{name:<{width}}  {wrong:5d}  {count:5d}  {wrong / count:.1%}" for name, (wrong, count) in rows.items()]
    return "\n".join(lines)
