"""Tokenizers without a segmenter: characters, and words of a closed list."""

from __future__ import annotations

import string
from collections.abc import Sequence
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import write_json
from vsr.text.normalise import lower
from vsr.text.unit_list import CONFIG, SPACE, UnitList, spans_between_spaces

CHARACTERS = SPACE + "'" + string.ascii_lowercase + string.digits


class CharTokenizer(UnitList):
    """One token per character of the lower-cased text; ``characters`` includes the space."""

    def __init__(self, characters: str = CHARACTERS):
        if len(set(characters)) != len(characters) or SPACE not in characters:
            raise VsrError("bad_model", "a character tokenizer needs distinct characters, including the space")
        super().__init__(characters)
        self.characters = characters

    def encode(self, text: str) -> list[int]:
        """Ids of the normalised text, without start or end."""
        return self.ids(lower(text))

    def decode(self, ids: Sequence[int]) -> str:
        """Text with single spaces."""
        return " ".join("".join(self._written(ids)).split())

    def word_spans(self, ids: Sequence[int]) -> list[tuple[str, int, int]]:
        """(word, first token, one past its last token); spaces belong to no word."""
        return spans_between_spaces(self._written(ids))

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json."""
        write_json(Path(folder) / CONFIG, {"kind": "char", "characters": self.characters})


class WordTokenizer(UnitList):
    """One token per word of a closed list; other words are unknown.

    Args:
        words: distinct, each as ``lower`` writes it, in the order of their ids.
    """

    def __init__(self, words: Sequence[str]):
        bad = [word for word in words if not isinstance(word, str) or not word or SPACE in word or lower(word) != word]
        if bad or not words or len(set(words)) < len(words):
            raise VsrError("bad_model", "a word tokenizer needs distinct words in lower case without punctuation")
        super().__init__(words)
        self.words = self.units

    def encode(self, text: str) -> list[int]:
        """Ids of the words of the normalised text, without start or end."""
        return self.ids(lower(text).split())

    def word_spans(self, ids: Sequence[int]) -> list[tuple[str, int, int]]:
        """(word, its token, one past it) for each word."""
        return [(piece, index, index + 1) for index, piece in enumerate(self._written(ids)) if piece]

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json."""
        write_json(Path(folder) / CONFIG, {"kind": "word", "words": self.words})
