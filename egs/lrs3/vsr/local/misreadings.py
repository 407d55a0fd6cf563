"""Sentences corrupted as the members of a combination misread them."""

from collections import Counter
from pathlib import Path

from vsr.decoding.combination import Reading, lattice_of
from vsr.decoding.error_patterns import AlikeWords, patterns_of
from vsr.text.normalise import lower
from vsr.text.pronounce import Pronouncer
from vsr.text.visemes import visemes_of

OFTEN, PATHS = 2, 12  # fewest occurrences of a word that replaces another; paths of a sentence


def sentences_in(path: str, longest: int) -> list[list[str]]:
    """Lines of 3 to ``longest`` words."""
    lines = (lower(line).split() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [words for words in lines if 3 <= len(words) <= longest]


class ErrorSimulator:
    """Corrupts sentences with the members' error patterns, taken from references and hypotheses."""

    def __init__(self, references, members, texts):
        pronouncer, vocabulary = Pronouncer(), Counter(word for words in texts for word in words)
        phones = {word: (pronouncer.variants(word) or ((),))[0] for word, n in vocabulary.items() if n >= OFTEN}
        self.known = {word: visemes_of(pronunciation) for word, pronunciation in phones.items() if pronunciation}
        self.alike = AlikeWords(Counter({word: vocabulary[word] for word in self.known}), self.known.__getitem__)
        self.patterns = patterns_of(references, members)

    def lattice(self, words, rng):
        """The confusion network of a corrupted sentence, without language models."""
        misreadings = self.patterns.draw(words, lambda word: self.alike(word) if word in self.known else (), rng)
        readings = [Reading(tuple(misread), (1.0,) * len(misread)) for misread in misreadings]
        return lattice_of(readings, False, PATHS)
