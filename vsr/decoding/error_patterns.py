"""Error patterns of several readers: which of them err at the same words, applied to new sentences.

Members of an ensemble fail on the same utterances, and often with the same wrong word. The pattern of an utterance
gives, for each word of its reference, which members have it, which share another word, and which have none. A new
sentence takes the pattern of an utterance with a reference, and its wrong words are words that look alike on the lips.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError
from vsr.decoding.confusion import network_of

RIGHT, NONE = 0, -1
NEAREST, SHARPNESS = 12, 3.0  # candidates for a wrong word, and how strongly similar ones are preferred
SEEN = 0.5  # probability that a wrong word is drawn from the observed confusions of the word, if it has any
Alike = Callable[[str], Sequence[tuple[str, float]]]


@dataclass(frozen=True)
class Place:
    """The words of N members at a word of the reference, or (``extra``) at an insertion: RIGHT, NONE, or a group number
    from 1 on; the members of a group share a wrong word."""

    extra: bool
    members: tuple[int, ...]


@dataclass(frozen=True)
class ErrorPatterns:
    """Patterns of utterances, and counts of the wrong words that were read for each reference word."""

    utterances: tuple[tuple[Place, ...], ...]
    misread: dict[str, Counter[str]]

    def draw(self, words: Sequence[str], alike: Alike, rng: np.random.Generator) -> list[list[str]]:
        """Draw each member's reading of a sentence; ``alike``: word -> similar words with distances 0 ... 1."""
        pattern = self._of_like_length(len(words), rng)
        readings: list[list[str]] = [[] for _ in pattern[0].members]
        for place, word in laid_on(pattern, words):
            groups = {group: self._wrong(word, alike, rng) for group in sorted(set(place.members)) if group > 0}
            for reading, group in zip(readings, place.members, strict=True):
                if group != NONE:
                    reading.append(word if group == RIGHT else groups[group])
        return readings

    def _of_like_length(self, count: int, rng: np.random.Generator) -> tuple[Place, ...]:
        """Draw one of the utterances with references of the most similar length."""
        ranked = sorted(range(len(self.utterances)), key=lambda i: (abs(_words(self.utterances[i]) - count), i))
        return self.utterances[ranked[int(rng.integers(max(1, len(ranked) // 8)))]]

    def _wrong(self, word: str, alike: Alike, rng: np.random.Generator) -> str:
        errors = self.misread.get(word)
        if errors and rng.random() < SEEN:
            return str(rng.choice(list(errors), p=np.array(list(errors.values())) / sum(errors.values())))
        candidates = alike(word)
        if not candidates:
            return word
        weights = np.exp([-SHARPNESS * distance for _, distance in candidates])
        return candidates[int(rng.choice(len(candidates), p=weights / weights.sum()))][0]


def _words(pattern: Sequence[Place]) -> int:
    return sum(not place.extra for place in pattern)


def laid_on(pattern: Sequence[Place], words: Sequence[str]) -> list[tuple[Place, str]]:
    """Places of a pattern, stretched or shortened to the number of words, each with the word that it falls on."""
    places = [place for place in pattern if not place.extra]
    after: dict[int, list[Place]] = defaultdict(list)
    count = 0
    for place in pattern:
        count += not place.extra
        if place.extra:
            after[max(0, count - 1)].append(place)
    result: list[tuple[Place, str]] = []
    done: set[int] = set()
    for number, word in enumerate(words):
        source = number * len(places) // len(words)
        result.append((places[source], word))
        result += [(extra, word) for extra in after[source] if source not in done]
        done.add(source)
    return result


def patterns_of(references: Sequence[Sequence[str]], members: Sequence[Sequence[Sequence[str]]]) -> ErrorPatterns:
    """Patterns from U references and the U readings of each of N members, all as lists of words.

    Raises VsrError bad_manifest where no reference has a word.
    """
    misread: dict[str, Counter[str]] = defaultdict(Counter)
    utterances = []
    for number, reference in enumerate(references):
        if reference:
            slots = network_of([reference, *(readings[number] for readings in members)])
            utterances.append(tuple(_place(slot) for slot in slots))
            for right, *readings in slots:
                misread[right].update(wrong for wrong in readings if right and wrong and wrong != right)
    if not utterances:
        raise VsrError("bad_manifest", "there are no references to take patterns of errors from")
    return ErrorPatterns(tuple(utterances), {word: counts for word, counts in misread.items() if counts})


def _place(slot: Sequence[str]) -> Place:
    right, *readings = slot
    groups = {word: number for number, word in enumerate(dict.fromkeys(w for w in readings if w and w != right), 1)}
    return Place(not right, tuple(NONE if not word else groups.get(word, RIGHT) for word in readings))


class AlikeWords:
    """Finds words of a vocabulary whose phonemes look similar.

    Args:
        vocabulary: word -> its count in the texts.
        units: word -> its phonemes or visemes.
    """

    def __init__(self, vocabulary: Counter[str], units: Callable[[str], Sequence[str]]):
        self.words = [word for word, _ in sorted(vocabulary.items(), key=lambda item: (-item[1], item[0]))]
        self.units = units
        self.known: dict[str, list[tuple[str, float]]] = {}
        self.listed = [tuple(units(word)) for word in self.words]

    def __call__(self, word: str) -> Sequence[tuple[str, float]]:
        """The nearest other words, with distances 0 ... 1; among equal distances the more frequent come first."""
        if word not in self.known:
            from rapidfuzz.distance import Levenshtein
            from rapidfuzz.process import cdist

            distances = cdist([tuple(self.units(word))], self.listed, scorer=Levenshtein.normalized_distance)[0]
            order = [int(i) for i in np.argsort(distances, kind="stable")[: NEAREST + 1]]
            self.known[word] = [(self.words[i], float(distances[i])) for i in order if self.words[i] != word][:NEAREST]
        return self.known[word]
