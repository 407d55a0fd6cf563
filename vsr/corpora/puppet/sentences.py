"""Sentences of the puppet: GRID's grammar or a text file, drawn by a seed into splits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from unicodedata import category

import numpy as np

from vsr.core.errors import VsrError
from vsr.corpora.puppet.languages import SLOTS
from vsr.text.normalise import lower_case

# Command, colour, preposition, letter (no w), digit, adverb: 51 words, 64 000 sentences (Cooke et al. 2006).
GRID_SLOTS = (
    ("bin", "lay", "place", "set"),
    ("blue", "green", "red", "white"),
    ("at", "by", "in", "with"),
    tuple("abcdefghijklmnopqrstuvxyz"),
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("again", "now", "please", "soon"),
)

RESERVED = "place blue by m five please"
"""The sentence of the demo clip: never drawn, whatever the seed, so no model can have trained on it."""

# Letters by their name: espeak reads a lone "a" as the article, and GRID's speakers are British.
LETTER_NAMES = {"a": "[[eI]]", "z": "[[zEd]]"}


@dataclass(frozen=True)
class Vocabulary:
    """The sentences that can be drawn: `size` of them, by number."""

    name: str
    lines: tuple[str, ...] = ()
    slots: tuple[tuple[str, ...], ...] = GRID_SLOTS

    @property
    def size(self) -> int:
        """The number of distinct sentences."""
        return len(self.lines) if self.lines else math.prod(len(slot) for slot in self.slots)

    def sentence(self, number: int) -> str:
        """The words of sentence `number`, lower case, joined by single spaces."""
        if self.lines:
            return self.lines[number]
        words = []
        for slot in reversed(self.slots):
            number, choice = divmod(number, len(slot))
            words.append(slot[choice])
        return " ".join(reversed(words))

    def spelling_of(self, word: str) -> str:
        """The spelling of `word` for the speech synthesiser."""
        return LETTER_NAMES.get(word, word) if not self.lines and self.slots == GRID_SLOTS else word

    def words(self) -> set[str]:
        """All words of the vocabulary."""
        return {word for line in self.lines for word in line.split()} or {word for slot in self.slots for word in slot}


def load_vocabulary(name: str, slots: tuple[tuple[str, ...], ...] = GRID_SLOTS) -> Vocabulary:
    """`grid`, with words from ``slots``, or the path of a UTF-8 text file with one sentence per line. Raises VsrError
    (bad_corpus)."""
    if name == "grid":
        return Vocabulary("grid", slots=slots)
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = f"'grid', {', '.join(SLOTS)}"
        raise VsrError("bad_corpus", f"vocabulary {name}: neither {known} nor a readable text file") from error
    lines = dict.fromkeys(_clean(line) for line in text.splitlines())
    lines.pop("", None)
    if not lines:
        raise VsrError("bad_corpus", f"vocabulary {name}: no sentence in it")
    return Vocabulary(str(name), tuple(lines))


def draw_splits(vocabulary: Vocabulary, counts: dict[str, int], seed: int) -> dict[str, list[str]]:
    """Sentences for each split (name -> number); no sentence is in two splits, RESERVED in none.

    The last split, training, repeats its sentences if the vocabulary is too small. Raises VsrError (bad_corpus) if no
    sentence is left for it.
    """
    rng = np.random.default_rng([seed, 1])
    order = [vocabulary.sentence(int(i)) for i in rng.permutation(vocabulary.size)]
    order = [sentence for sentence in order if sentence != RESERVED]
    *held_out, last = counts
    needed = sum(counts[name] for name in held_out)
    if needed + min(1, counts[last]) > len(order):
        raise VsrError(
            "bad_corpus",
            f"vocabulary {vocabulary.name} has {len(order)} sentences; "
            f"{needed} held out and at least 1 for {last} are asked for",
        )
    splits, start = {}, 0
    for name in held_out:
        splits[name] = order[start : start + counts[name]]
        start += counts[name]
    rest = order[start:]
    splits[last] = [rest[i % len(rest)] for i in range(counts[last])]
    return splits


def _clean(line: str) -> str:
    """Lower-case words of letters, with their marks, and apostrophes, separated by single spaces."""
    letters = "".join(c if category(c)[0] in "LM" or c == "'" else " " for c in lower_case(line))
    return " ".join(letters.split())
