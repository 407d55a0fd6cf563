"""Errors of several readers together: which of them are wrong at the same words, laid on other sentences.

Members of an ensemble fail on the same utterances, and often with the same wrong word. The pattern of an utterance says
of each word of its reference which members have it, which share another word, and which have none; a new sentence takes
the pattern of an utterance of known text, and its wrong words are words that look alike on the lips.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError
from vsr.decoding.confusion import network_of

RIGHT, NONE = 0, -1
NEAREST, SHARPNESS = 12, 3.0  # candidates for a wrong word, and how much the more alike are preferred
SEEN = 0.5  # chance that a wrong word is one that was read for it, where one was
Alike = Callable[[str], Sequence[tuple[str, float]]]


@dataclass(frozen=True)
class Place:
    """What N members have at a word of the reference, or (``extra``) where it has none: RIGHT, NONE or a group from 1
    on; members of a group share a word."""

    extra: bool
    members: tuple[int, ...]


@dataclass(frozen=True)
class ErrorPatterns:
    """Patterns of utterances, and what was read for each word that was misread."""

    utterances: tuple[tuple[Place, ...], ...]
    misread: dict[str, Counter[str]]

    def draw(self, words: Sequence[str], alike: Alike, rng: np.random.Generator) -> list[list[str]]:
        """A sentence as each member might have read it; ``alike``: word -> words like it, with distances 0 ... 1."""
        pattern = self._of_like_length(len(words), rng)
        said: list[list[str]] = [[] for _ in pattern[0].members]
        for place, word in laid_on(pattern, words):
            groups = {group: self._wrong(word, alike, rng) for group in sorted(set(place.members)) if group > 0}
            for own, group in zip(said, place.members, strict=True):
                if group != NONE:
                    own.append(word if group == RIGHT else groups[group])
        return said

    def _of_like_length(self, count: int, rng: np.random.Generator) -> tuple[Place, ...]:
        """One of the utterances whose references are nearest in length."""
        ranked = sorted(range(len(self.utterances)), key=lambda i: (abs(_words(self.utterances[i]) - count), i))
        return self.utterances[ranked[int(rng.integers(max(1, len(ranked) // 8)))]]

    def _wrong(self, word: str, alike: Alike, rng: np.random.Generator) -> str:
        known = self.misread.get(word)
        if known and rng.random() < SEEN:
            return str(rng.choice(list(known), p=np.array(list(known.values())) / sum(known.values())))
        near = alike(word)
        if not near:
            return word
        chances = np.exp([-SHARPNESS * distance for _, distance in near])
        return near[int(rng.choice(len(near), p=chances / chances.sum()))][0]


def _words(pattern: Sequence[Place]) -> int:
    return sum(not place.extra for place in pattern)


def laid_on(pattern: Sequence[Place], words: Sequence[str]) -> list[tuple[Place, str]]:
    """Places with the words they fall on; the pattern is stretched or shortened to as many words."""
    own = [place for place in pattern if not place.extra]
    after: dict[int, list[Place]] = defaultdict(list)
    seen = 0
    for place in pattern:
        seen += not place.extra
        if place.extra:
            after[max(0, seen - 1)].append(place)
    found: list[tuple[Place, str]] = []
    used: set[int] = set()
    for number, word in enumerate(words):
        source = number * len(own) // len(words)
        found.append((own[source], word))
        found += [(extra, word) for extra in after[source] if source not in used]
        used.add(source)
    return found


def patterns_of(references: Sequence[Sequence[str]], members: Sequence[Sequence[Sequence[str]]]) -> ErrorPatterns:
    """Of U references and, for each of N members, its U readings, all in words.

    Raises VsrError bad_manifest where no reference has a word.
    """
    misread: dict[str, Counter[str]] = defaultdict(Counter)
    utterances = []
    for number, reference in enumerate(references):
        if reference:
            slots = network_of([reference, *(own[number] for own in members)])
            utterances.append(tuple(_place(slot) for slot in slots))
            for right, *said in slots:
                misread[right].update(word for word in said if right and word and word != right)
    if not utterances:
        raise VsrError("bad_manifest", "there are no references to take patterns of errors from")
    return ErrorPatterns(tuple(utterances), {word: own for word, own in misread.items() if own})


def _place(slot: Sequence[str]) -> Place:
    right, *said = slot
    groups = {word: number for number, word in enumerate(dict.fromkeys(w for w in said if w and w != right), 1)}
    return Place(not right, tuple(NONE if not word else groups.get(word, RIGHT) for word in said))


class AlikeWords:
    """Words of a vocabulary by how alike their phonemes look.

    Args:
        vocabulary: word -> how often it stands in the texts.
        units: word -> its phonemes or visemes.
    """

    def __init__(self, vocabulary: Counter[str], units: Callable[[str], Sequence[str]]):
        self.words = [word for word, _ in sorted(vocabulary.items(), key=lambda item: (-item[1], item[0]))]
        self.units = units
        self.known: dict[str, list[tuple[str, float]]] = {}
        self.listed = [tuple(units(word)) for word in self.words]

    def __call__(self, word: str) -> Sequence[tuple[str, float]]:
        """The nearest other words, with distances 0 ... 1; of equal ones the more frequent."""
        if word not in self.known:
            from rapidfuzz.distance import Levenshtein
            from rapidfuzz.process import cdist

            each = cdist([tuple(self.units(word))], self.listed, scorer=Levenshtein.normalized_distance)[0]
            order = [int(i) for i in np.argsort(each, kind="stable")[: NEAREST + 1]]
            self.known[word] = [(self.words[i], float(each[i])) for i in order if self.words[i] != word][:NEAREST]
        return self.known[word]
