"""The words of an n-gram file, and the tokens that can spell them."""

from __future__ import annotations

import bz2
import gzip
import lzma
import mmap
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from itertools import takewhile
from pathlib import Path

import torch
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.core.tokens import UNK
from vsr.text.grammar import MARKS, arpa_words
from vsr.text.tokenizer import MARK, Tokenizer

BINARY = b"mmap lm http://kheafield.com/code"
Opener = Callable[..., AbstractContextManager[Iterable[str]]]
PACKED: dict[bytes, Opener] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
LAST = chr(0x10FFFF)  # sorts after every text


class Vocabulary:
    """A closed list of words in the spelling of a tokenizer.

    Args:
        words: without spaces.
        pieces: pieces of the tokenizer by token; a piece that starts a word begins with a space or SentencePiece's
            mark.
    """

    def __init__(self, words: Iterable[str], pieces: Sequence[str]):
        self.words = sorted(set(words))
        self.known = frozenset(self.words)
        self.pieces = pieces
        self._masks: dict[str, Tensor] = {}

    def beginning(self, prefix: str) -> range:
        """The indices in ``words`` of the words that begin with ``prefix``."""
        return range(bisect_left(self.words, prefix), bisect_left(self.words, prefix + LAST))

    def possible(self, prefix: str) -> Tensor:
        """(V,) bool: the tokens that may follow the unfinished word ``prefix`` ("" for none): those that extend it to a
        prefix of a word, and, where it is complete, those that start another word."""
        if prefix not in self._masks:
            complete = not prefix or prefix in self.known
            is_possible = [self._can_follow(prefix, complete, piece) for piece in self.pieces]
            self._masks[prefix] = torch.tensor(is_possible)
        return self._masks[prefix]

    def _can_follow(self, prefix: str, complete: bool, piece: str) -> bool:
        opening = piece.startswith((MARK, " "))
        if opening and not complete:
            return False
        return bool(self.beginning(piece.removeprefix(MARK).strip() if opening else prefix + piece))


def spellings(words: Iterable[str], tokenizer: Tokenizer) -> dict[str, str]:
    """The tokenizer's spelling of a word -> the word, for words that its tokens can write as one word."""
    words_by_spelling: dict[str, str] = {}
    for word in words:
        ids = tokenizer.encode(word)
        written = tokenizer.decode(ids)
        if written and UNK not in ids and " " not in written:
            words_by_spelling.setdefault(written, word)
    return words_by_spelling


def words_of(path: str | Path, model) -> list[str]:
    """The words of the ARPA or KenLM binary file that ``model`` was read from. Raises VsrError where it lists none."""
    with Path(path).open("rb") as stream:
        head = stream.read(len(BINARY))
    words = _binary_words(path) if head == BINARY else arpa_words(_unigrams(path, head))
    words = [word for word in words if word.lower() not in MARKS and word in model]
    if not words:
        raise VsrError("bad_config", f"{path} does not list its words: build the binary file with its vocabulary")
    return words


def _unigrams(path: str | Path, head: bytes) -> str:
    """Text of an ARPA file up to its bigrams, with an end mark."""
    opened: Opener = next((opener for begin, opener in PACKED.items() if head.startswith(begin)), open)
    with opened(path, "rt", encoding="utf-8", errors="replace") as lines:
        return "".join(takewhile(lambda line: not line.startswith("\\2-grams:"), lines)) + "\n\\end\\"


def _binary_words(path: str | Path) -> list[str]:
    """Words of a KenLM binary file, which ends in its zero-terminated words, "<unk>" first."""
    with Path(path).open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        begin = data.rfind(b"<unk>\0")
        return data[begin:].decode("utf-8", errors="replace").split("\0") if begin >= 0 else []
