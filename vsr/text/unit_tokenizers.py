"""Text <-> phonemes or visemes, as tokens in the common layout: blank, unknown, units, [the mark between words], end.

A folder keeps what was used, whatever dictionaries are installed elsewhere: tokenizer.json has the unit, the mark, and
name and hash of the dictionaries; lexicon.txt the pronunciations of the words that the tokenizer was made of.
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
from vsr.text.listed import CONFIG, Listed
from vsr.text.normalise import lower
from vsr.text.phonemes import MARK, UNITS
from vsr.text.pronounce import CMU, ESPEAK, Pronouncer, Variants, parse_dictionary
from vsr.text.visemes import visemes_of

LEXICON = "lexicon.txt"
WAYS = ("first", "all", "best")  # which pronunciation of a word is taught


@dataclass(frozen=True)
class UnitSettings:
    """What a tokenizer of units is.

    Args:
        unit: "phoneme" or "viseme".
        word_mark: whether "|" stands between words.
        pronunciation: "first" of each word's; "all": one by chance each time; "best": the one that fits a clip best, as
            the model itself reads it in the course of training (`vsr.training.pronunciations`).
        dictionary: where pronunciations come from, as `Pronouncer` takes them.
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


class UnitTokenizer(Listed):
    """Tokens are phonemes or visemes.

    Args:
        settings: which, and from what dictionaries.
        lexicon: word -> phonemes, of the words that are known without a dictionary.
        sources: name and hash of the dictionaries that the lexicon comes from.
    """

    def __init__(
        self, settings: UnitSettings, lexicon: Mapping[str, Variants] | None = None,
        sources: Sequence[Mapping[str, str]] = (),
    ):  # fmt: skip
        super().__init__((*UNITS[settings.unit], *([MARK] if settings.word_mark else [])))
        self.settings, self.unit = settings, settings.unit
        self.lexicon: dict[str, Variants] = dict(lexicon or {})
        self.sources = [dict(own) for own in sources]
        self._pronouncer: Pronouncer | None = None
        self.chosen: dict[str, list[int]] = {}  # clip -> variants of its words, where the best are taught

    @property
    def mark(self) -> int | None:
        """The token between words."""
        return self._ids.get(MARK)

    @property
    def pronouncer(self) -> Pronouncer:
        """Of words outside the lexicon. Raises VsrError where its dictionaries are missing."""
        self._pronouncer = self._pronouncer or Pronouncer(self.settings.dictionary)
        return self._pronouncer

    def variants(self, word: str) -> list[tuple[int, ...]]:
        """Distinct tokens of a word's pronunciations, the usual one first; the unknown where nobody can say it."""
        phones = self.lexicon.get(word) or self.pronouncer.variants(word)
        tokens = [tuple(self.ids(self.units_of(own))) for own in phones]
        return list(dict.fromkeys(tokens)) or [(UNK,)]

    def units_of(self, phones: Sequence[str]) -> tuple[str, ...]:
        """ARPAbet -> units."""
        return visemes_of(phones) if self.unit == "viseme" else tuple(phones)

    def encode(self, text: str) -> list[int]:
        """Ids of the first pronunciations, without start or end."""
        return self.joined([self.variants(word)[0] for word in lower(text).split()])

    def drawn(self, text: str, rng: np.random.Generator, clip: str = "") -> list[int]:
        """Ids with one of each word's pronunciations: by chance where all are taught, the chosen ones where the best
        are; else `encode`."""
        words = [self.variants(word) for word in lower(text).split()]
        if self.settings.pronunciation == "all":
            return self.joined([own[int(rng.integers(len(own)))] for own in words])
        taken = self.chosen.get(clip, [0] * len(words))
        return self.joined([own[place] for own, place in zip(words, taken, strict=True)])

    def joined(self, words: Sequence[Sequence[int]]) -> list[int]:
        """The tokens of words -> those of the text."""
        between = [] if self.mark is None else [self.mark]
        return [token for number, own in enumerate(words) for token in (*(between if number else []), *own)]

    def decode(self, ids: Sequence[int]) -> str:
        """Units with single spaces."""
        return " ".join(piece for piece in self._written(ids) if piece)

    def word_spans(self, ids: Sequence[int]) -> list[tuple[str, int, int]]:
        """(units, first token, one past its last) between marks; without marks all tokens are one."""
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
            if found := self.pronouncer.variants(word):
                self.lexicon[word] = found
        self.sources = self.pronouncer.described()

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json and lexicon.txt."""
        lines = [f"{word} {' '.join(own)}\n" for word, variants in sorted(self.lexicon.items()) for own in variants]
        text, c = "".join(lines), self.settings
        write_text(Path(folder) / LEXICON, text)
        config = {
            "kind": c.unit, "units": self.units, "word_mark": c.word_mark, "pronunciation": c.pronunciation,
            "dictionary": list(c.dictionary), "sources": self.sources, "lexicon": _sha256(text),
        }  # fmt: skip
        write_json(Path(folder) / CONFIG, config)


def load_units(folder: Path, config: Mapping[str, Any]) -> UnitTokenizer:
    """The tokenizer of a folder whose tokenizer.json is ``config``. Raises VsrError bad_model where its list of units
    is not this version's, or lexicon.txt is not the one that belongs to it."""
    settings = UnitSettings(
        config["kind"], bool(config["word_mark"]), config["pronunciation"], tuple(config["dictionary"])
    )
    lines = read_lines(folder / LEXICON)
    text = "".join(f"{line}\n" for _, line in lines)
    if _sha256(text) != config["lexicon"]:
        raise VsrError("bad_model", f"{folder / LEXICON} is not the lexicon that the tokenizer was saved with")
    found = UnitTokenizer(settings, parse_dictionary(lines, str(folder / LEXICON)), config["sources"])
    if found.units != list(config["units"]):
        raise VsrError("bad_model", f"{folder / CONFIG} lists other {config['kind']}s than this version knows")
    return found


def units_tokenizer(settings: UnitSettings, texts: Iterable[str]) -> UnitTokenizer:
    """A tokenizer with the words of ``texts`` as its lexicon. Raises VsrError as `Pronouncer`."""
    made = UnitTokenizer(settings)
    made.learn(texts)
    return made


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
