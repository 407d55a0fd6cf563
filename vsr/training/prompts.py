"""Prompts for a text restorer from sentences: their phonemes, visemes or words, with errors of a lip reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError
from vsr.data.manifest import read_manifest
from vsr.decoding.error_patterns import AlikeWords, patterns_of
from vsr.decoding.restorer import RestorerSettings, units_of
from vsr.evaluation.wer import read_records
from vsr.text.confusions import counted_confusions
from vsr.text.normalise import lower
from vsr.text.phonemes import MARK
from vsr.text.pronounce import Pronouncer
from vsr.text.visemes import visemes_of

OFTEN = 2  # least count in the texts of a word that may replace another


@dataclass(frozen=True)
class NoiseConfig:
    """Errors in the prompts.

    Args:
        hypotheses: files of hypotheses of a development list: units of `vsr decode --method ctc_beam`, or, where the
            prompts are texts, one file for each reader in the prompt. Without files the prompts have no errors.
        references: the manifest of these clips.
        rate: for units, the share of the observed errors that are made.
    """

    hypotheses: tuple[str, ...] = ()
    references: str = ""
    rate: float = 1.0


class Prompts:
    """Makes the lines of a prompt from a sentence. Raises VsrError.

    ``about`` describes their errors; ``vocabulary``: count of each word in the texts.
    """

    def __init__(
        self, settings: RestorerSettings, noise: NoiseConfig, dictionary: Sequence[str], vocabulary: Counter[str]
    ):
        self.settings, self.noise = settings, noise
        self.pronouncer = Pronouncer(tuple(dictionary))
        self.known: dict[str, tuple[str, ...]] = {}
        self.about = "prompts without errors"
        if settings.input == "text" and not noise.hypotheses:
            raise VsrError("bad_config", "prompts of text are hypotheses: give data.noise.hypotheses and references")
        if noise.hypotheses and settings.input == "text":
            self._take_patterns(vocabulary)
        elif noise.hypotheses:
            self._take_confusions()

    def lines(self, words: Sequence[str], rng: np.random.Generator) -> list[str]:
        """Lines of the prompt for a sentence, with random errors."""
        if self.settings.input == "text":
            return [" ".join(text) for text in self.patterns.draw(words, self.alike, rng)]
        units = self.units(words)
        return [" ".join(self.confusions.draw(units, rng, self.noise.rate) if self.noise.hypotheses else units)]

    def units(self, words: Sequence[str]) -> list[str]:
        """Phonemes or visemes with marks between words; words without pronunciation have no units."""
        spelled = [self.word(word) for word in words]
        return [unit for number, units in enumerate(spelled) for unit in (*([MARK] if number else []), *units)]

    def word(self, word: str) -> tuple[str, ...]:
        """Units of the usual pronunciation of a word."""
        if word not in self.known:
            variants = self.pronouncer.variants(word) or ((),)
            self.known[word] = visemes_of(variants[0]) if self.settings.input == "viseme" else tuple(variants[0])
        return self.known[word]

    def _read(self) -> tuple[list[list[str]], list[list[str]]]:
        """Words of the references, and the texts of each file in the same order."""
        texts = {clip.id: lower(clip.text) for clip in read_manifest(self.noise.references)}
        files = [read_records(path) for path in self.noise.hypotheses]
        keys = [key for key in texts if all(key in records for records in files)]
        if not keys:
            raise VsrError("bad_manifest", f"no clip of {self.noise.references} is in all data.noise.hypotheses")
        return [texts[key].split() for key in keys], [[records[key]["text"] for key in keys] for records in files]

    def _take_confusions(self) -> None:
        references, (hypotheses,) = self._read()
        confusions = counted_confusions(
            (self.units(words), units_of(text, self.settings.input))
            for words, text in zip(references, hypotheses, strict=True)
        )
        self.confusions = confusions
        self.about = f"{confusions.rate:.1%} errors a unit, of {len(references)} clips, at rate {self.noise.rate:g}"

    def _take_patterns(self, vocabulary: Counter[str]) -> None:
        references, files = self._read()
        members = [[lower(text).split() for text in texts] for texts in files]
        self.patterns = patterns_of(references, members)
        often = Counter({word: count for word, count in vocabulary.items() if count >= OFTEN and self.word(word)})
        self.alike = AlikeWords(often, lambda word: visemes_of(self.word(word)))
        self.about = f"errors of {len(members)} readers by the patterns of {len(references)} clips"
