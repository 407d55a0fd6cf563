"""A lexicon as a prefix tree of tokens: words, each with its spellings or pronunciations.

File format: one word per line, with or without its phonemes ("blue B L UW"); a further line of the same word, or of
word(2), gives another pronunciation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import read_lines
from vsr.core.tokens import UNK
from vsr.text.normalise import lower
from vsr.text.pronounce import parse_dictionary
from vsr.text.tokenizer import SPACE, CharTokenizer, Tokenizer
from vsr.text.unit_tokenizers import UnitTokenizer

ROOT = 0
NO_WORDS = "has no word list: give --lexicon FILE, which transcribe and decode have, or use another method"
Tokens = tuple[int, ...]


class Lexicon:
    """Words by their tokens.

    Args:
        words: word -> distinct variants in tokens, none of them empty.
        mark: the token between words, None where words follow each other directly.

    ``children[n]``: token -> node; ``words[n]``: the words that end at node n.
    """

    def __init__(self, words: Mapping[str, Sequence[Tokens]], mark: int | None = None):
        self.variants = {word: list(dict.fromkeys(variants)) for word, variants in words.items()}
        self.mark = mark
        self.children: list[dict[int, int]] = [{}]
        self.words: list[list[str]] = [[]]
        self.parent = [ROOT]
        for word, variants in self.variants.items():
            for tokens in variants:
                self._add(word, tokens)

    def _add(self, word: str, tokens: Tokens) -> None:
        node = ROOT
        for token in tokens:
            if token not in self.children[node]:
                self.children[node][token] = len(self.children)
                self.children.append({})
                self.words.append([])
                self.parent.append(node)
            node = self.children[node][token]
        if node != ROOT and word not in self.words[node]:
            self.words[node].append(word)

    def ahead(self, scores: Mapping[str, float]) -> list[float]:
        """For each node the best score among the words that go through it (look-ahead for pruning)."""
        best = [max((scores[word] for word in ending), default=-math.inf) for ending in self.words]
        for node in range(len(best) - 1, ROOT, -1):  # a node's number is greater than its parent's
            best[self.parent[node]] = max(best[self.parent[node]], best[node])
        return best


def lexicon_for(tokenizer: Tokenizer, path: str = "") -> Lexicon:
    """The lexicon of a file, in the tokens of a tokenizer; without a file the words that the tokenizer was made from.

    Raises VsrError bad_config: no words, a tokenizer of other units, a word that cannot be spelled.
    """
    if isinstance(tokenizer, UnitTokenizer):
        return Lexicon(_pronounced(tokenizer, path), tokenizer.mark)
    if not isinstance(tokenizer, CharTokenizer):
        what = type(tokenizer).__name__.removesuffix("Tokenizer").lower()
        why = f"the search by a lexicon is of readers of phonemes, visemes or characters; this one reads into {what}s"
        raise VsrError("bad_options", why)
    if not path:
        raise VsrError("bad_options", f"a reader of characters {NO_WORDS}")
    parse_dictionary(_with_phonemes(path), path)  # refuses a file of sentences
    words = {word: [tuple(tokenizer.encode(word))] for word in _read_words(path)}
    _check(words, path)
    return Lexicon(words, tokenizer.encode(f"a{SPACE}a")[1])


def _pronounced(tokenizer: UnitTokenizer, path: str) -> dict[str, list[Tokens]]:
    """Words in the tokens of their pronunciations."""
    if not path:
        if not tokenizer.lexicon:
            raise VsrError("bad_options", f"the model {NO_WORDS}")
        return {word: tokenizer.variants(word) for word in tokenizer.lexicon}
    pronunciations = parse_dictionary(_with_phonemes(path), path)
    words = {
        word: [tuple(tokenizer.ids(tokenizer.units_of(phonemes))) for phonemes in pronunciations[word]]
        if word in pronunciations else tokenizer.variants(word)
        for word in _read_words(path)
    }  # fmt: skip
    _check(words, path)
    return words


def _with_phonemes(path: str | Path) -> list[tuple[int, str]]:
    """(number, line) of the lines with more than one word."""
    return [(number, line) for number, line in read_lines(path) if len(line.split()) > 1]


def _read_words(path: str | Path) -> list[str]:
    """The first word of each line, without duplicates."""
    words = dict.fromkeys(lower(line.split()[0].partition("(")[0]) for _, line in read_lines(path))
    words.pop("", None)
    if not words:
        raise VsrError("bad_config", f"{path} holds no words")
    return list(words)


def _check(words: Mapping[str, Iterable[Tokens]], path: str) -> None:
    for word, variants in words.items():
        if any(UNK in tokens or not tokens for tokens in variants):
            raise VsrError("bad_config", f"{path}: the model's tokens cannot write '{word}'")
