"""Text <-> phonemes or visemes, as tokens in the common layout: blank, unknown, units, [the mark between words], end.

A saved tokenizer does not depend on installed dictionaries: tokenizer.json has the unit, the mark, and name and hash of
the dictionaries; lexicon.txt has the pronunciations of the words that the tokenizer was made with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.files import read_lines, write_json, write_text
from vsr.core.tokens import UNK
from vsr.text.normalise import lower
from vsr.text.phonemes import MARK, UNITS
from vsr.text.pronounce import CMU, ESPEAK, Pronouncer, Variants, parse_dictionary
from vsr.text.unit_list import CONFIG, UnitList
from vsr.text.visemes import visemes_of

LEXICON = "lexicon.txt"
WAYS = ("first", "all", "best")  # which pronunciation of a word is the training target


@dataclass(frozen=True)
class UnitSettings:
    """Settings of a unit tokenizer.

    Args:
        unit: "phoneme" or "viseme".
        word_mark: whether "|" separates words.
        pronunciation: "first" of each word; "all": a random one each time; "best": the one that fits a clip best, by
            the model itself during training (`vsr.training.pronunciations`).
        dictionary: sources of pronunciations, as for `Pronouncer`.
    """

    unit: str = "phoneme"
    word_mark: bool = True
    pronunciation: str = "first"
    dictionary: tuple[str, ...] = (CMU, ESPEAK)

    def __post_init__(self):
        object.__setattr__(self, "dictionary", tuple(self.dictionary))
        if self.unit not in UNITS:
            raise ValueError(f"unit is '{self.unit}'; it can be {' or '.join(UNITS)}")
        if self.pronunciation not in WAYS:
            raise ValueError(f"pronunciation is '{self.pronunciation}'; it can be {', '.join(WAYS)}")


class UnitTokenizer(UnitList):
    """Tokens are phonemes or visemes.

    Args:
        settings: which units, and from which dictionaries.
        lexicon: word -> phonemes, for words that need no dictionary.
        sources: name and hash of the dictionaries that the lexicon is from.
    """

    def __init__(
        self, settings: UnitSettings, lexicon: Mapping[str, Variants] | None = None,
        sources: Sequence[Mapping[str, str]] = (),
    ):  # fmt: skip
        super().__init__((*UNITS[settings.unit], *([MARK] if settings.word_mark else [])))
        self.settings, self.unit = settings, settings.unit
        self.lexicon: dict[str, Variants] = dict(lexicon or {})
        self.sources = [dict(source) for source in sources]
        self._pronouncer: Pronouncer | None = None
        self.chosen: dict[str, list[int]] = {}  # clip id -> variant of each word, if the best are the target

    @property
    def mark(self) -> int | None:
        """The token between words."""
        return self._ids.get(MARK)

    @property
    def pronouncer(self) -> Pronouncer:
        """The pronouncer of words outside the lexicon. Raises VsrError if its dictionaries are missing."""
        self._pronouncer = self._pronouncer or Pronouncer(self.settings.dictionary)
        return self._pronouncer

    def variants(self, word: str) -> list[tuple[int, ...]]:
        """Distinct token sequences of a word's pronunciations, the usual one first; the unknown if there is none."""
        variants = self.lexicon.get(word) or self.pronouncer.variants(word)
        tokens = [tuple(self.ids(self.units_of(phones))) for phones in variants]
        return list(dict.fromkeys(tokens)) or [(UNK,)]

    def units_of(self, phones: Sequence[str]) -> tuple[str, ...]:
        """ARPAbet -> units."""
        return visemes_of(phones) if self.unit == "viseme" else tuple(phones)

    def encode(self, text: str) -> list[int]:
        """Ids of the first pronunciations, without start or end."""
        return self.joined([self.variants(word)[0] for word in lower(text).split()])

    def drawn(self, text: str, rng: np.random.Generator, clip: str = "") -> list[int]:
        """Ids with one pronunciation of each word: a random one if all are targets, the chosen one if the best are;
        else the first, as `encode`."""
        words = [self.variants(word) for word in lower(text).split()]
        if self.settings.pronunciation == "all":
            return self.joined([variants[int(rng.integers(len(variants)))] for variants in words])
        choice = self.chosen.get(clip, [0] * len(words))
        return self.joined([variants[place] for variants, place in zip(words, choice, strict=True)])

    def joined(self, words: Sequence[Sequence[int]]) -> list[int]:
        """Tokens of each word -> tokens of the text."""
        between = [] if self.mark is None else [self.mark]
        return [token for number, word in enumerate(words) for token in (*(between if number else []), *word)]

    def word_spans(self, ids: Sequence[int]) -> list[tuple[str, int, int]]:
        """(units, first token, one past its last) between marks; without marks all tokens are one word."""
        spans, start = [], 0
        for index, piece in enumerate([*self._written(ids), MARK]):
            if piece == MARK:
                word = " ".join(self.pieces(ids[start:index])) if index > start else ""
                spans += [(word, start, index)] if word else []
                start = index + 1
        return spans

    def learn(self, texts: Iterable[str]) -> None:
        """Put the pronunciations of all words of the texts into the lexicon."""
        for word in sorted({word for text in texts for word in lower(text).split()}):
            if variants := self.pronouncer.variants(word):
                self.lexicon[word] = variants
        self.sources = self.pronouncer.described()

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json and lexicon.txt."""
        lines = [
            f"{word} {' '.join(phones)}\n" for word, variants in sorted(self.lexicon.items()) for phones in variants
        ]
        text, settings = "".join(lines), self.settings
        write_text(Path(folder) / LEXICON, text)
        config = {
            "kind": settings.unit, "units": self.units, "word_mark": settings.word_mark,
            "pronunciation": settings.pronunciation, "dictionary": list(settings.dictionary), "sources": self.sources,
            "lexicon": _sha256(text),
        }  # fmt: skip
        write_json(Path(folder) / CONFIG, config)


def load_units(folder: Path, config: Mapping[str, Any]) -> UnitTokenizer:
    """The tokenizer of a folder whose tokenizer.json is ``config``. Raises VsrError bad_model if its list of units is
    not this version's, or lexicon.txt is not the one it was saved with."""
    settings = UnitSettings(
        config["kind"], bool(config["word_mark"]), config["pronunciation"], tuple(config["dictionary"])
    )
    lines = read_lines(folder / LEXICON)
    text = "".join(f"{line}\n" for _, line in lines)
    if _sha256(text) != config["lexicon"]:
        raise VsrError("bad_model", f"{folder / LEXICON} is not the lexicon that the tokenizer was saved with")
    tokenizer = UnitTokenizer(settings, parse_dictionary(lines, str(folder / LEXICON)), config["sources"])
    if tokenizer.units != list(config["units"]):
        raise VsrError("bad_model", f"{folder / CONFIG} lists other {config['kind']}s than this version knows")
    return tokenizer


def units_tokenizer(settings: UnitSettings, texts: Iterable[str]) -> UnitTokenizer:
    """A tokenizer with the words of ``texts`` as its lexicon. Raises VsrError like `Pronouncer`."""
    tokenizer = UnitTokenizer(settings)
    tokenizer.learn(texts)
    return tokenizer


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
