"""Word errors by viseme and by word frequency.

Words of the references are counted, right or not (substituted or deleted); inserted words are not counted.
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
BOUNDS = (0, 1, 10, 100, 1000)  # lower bounds of the bands of a word's count in the texts


def words_of(scores: Iterable[UtteranceScore]) -> Iterator[tuple[str, bool]]:
    """(reference word, whether it was read correctly)."""
    for utterance in scores:
        reference, hypothesis = utterance.reference.split(), utterance.hypothesis.split()
        yield from zip(reference, correct_words(hypothesis, reference), strict=True)


def by_viseme(scores: Sequence[UtteranceScore], pronouncer: Pronouncer) -> Rows:
    """Viseme -> errors of the words whose first pronunciation contains it."""

    def classes(word: str) -> set[str]:
        variants = pronouncer.variants(word)
        return set(visemes_of(variants[0])) if variants else set()

    visemes: dict[str, set[str]] = {}
    rows = _grouped(((viseme, right) for word, right in words_of(scores)
                     for viseme in visemes.setdefault(word, classes(word))))  # fmt: skip
    return {viseme: rows[viseme] for viseme in VISEMES if viseme in rows}


def by_frequency(scores: Sequence[UtteranceScore], texts: Iterable[str]) -> Rows:
    """Frequency band in ``texts`` -> errors of the words in that band."""
    counts = Counter(word for text in texts for word in lower(text).split())
    rows = _grouped((_band(counts[word]), right) for word, right in words_of(scores))
    return {name: rows[name] for name in map(_band, BOUNDS) if name in rows}


def _band(count: int) -> str:
    bound = max(bound for bound in BOUNDS if bound <= count)
    above = [bound for bound in BOUNDS if bound > count]
    return f"{bound}-{above[0] - 1}" if above and above[0] - 1 > bound else f"{bound}" if above else f"{bound} and more"


def _grouped(outcomes: Iterable[tuple[str, bool]]) -> Rows:
    words: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for name, right in outcomes:
        words[name] += 1
        wrong[name] += not right
    return {name: (wrong[name], count) for name, count in words.items()}


def table(title: str, rows: Mapping[str, tuple[int, int]]) -> str:
    """Lines with name, number of wrong words, words and their ratio."""
    width = max([len(title), *map(len, rows)])
    lines = [f"{title:<{width}}  wrong  words  share"]
    lines += [f"{name:<{width}}  {wrong:5d}  {count:5d}  {wrong / count:.1%}" for name, (wrong, count) in rows.items()]
    return "\n".join(lines)
