"""Restore the text of a clip: candidates of the lexicon search and of the restorer, ranked by both.

score = log p(video | text) by the best CTC path through any pronunciations of its words + ``weight`` * log p(text |
units read) + ``bonus`` per word. The path rejects texts that suit the language model but not the lips.
Shapes: T frames, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from vsr.core.errors import VsrError
from vsr.core.numbers import NOT_NEGATIVE, Range, check_numbers
from vsr.decoding.ctc import greedy
from vsr.decoding.lexicon_search import LexiconSearch
from vsr.decoding.pronunciations import path_through
from vsr.decoding.restorer import Restorer, units_of
from vsr.text.unit_tokenizers import UnitTokenizer

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

BONUS = Range(least=-1000, most=1000)


@dataclass(frozen=True)
class RestoreOptions:
    """Options of restoring.

    Args:
        beam: of the lexicon search.
        candidates: number of texts of the lexicon search that are scored.
        written: number of texts written by the restorer that are scored as well.
        weight: of the restorer's log-probability; 0: the lips alone decide.
        bonus: added per word.
    """

    beam: int = 60
    candidates: int = 30
    written: int = 0
    weight: float = 0.5
    bonus: float = 0.0

    def __post_init__(self):
        whole = {"beam": Range(least=1, most=1000), "candidates": Range(least=0, most=1000)}
        check_numbers(
            self, "", "bad_config", **whole, written=Range(least=0, most=100), weight=NOT_NEGATIVE, bonus=BONUS
        )
        if not self.candidates + self.written or self.candidates > self.beam:
            problem = f"{self.candidates} candidates, {self.written} written, beam {self.beam}"
            raise VsrError("bad_config", f"{problem}: there must be a candidate, and no more than the beam holds")


@dataclass(frozen=True)
class Candidate:
    """A text (words) with its log-probabilities by the lips, ``seen``, and by the restorer, ``known``."""

    words: tuple[str, ...]
    seen: float
    known: float

    def score(self, weight: float, bonus: float) -> float:
        """Weighted score of the candidate."""
        return self.seen + (weight * self.known if weight else 0.0) + bonus * len(self.words)


def units_read(log_probs: Tensor, tokenizer: UnitTokenizer, unit: str) -> str:
    """Greedy CTC path of ``log_probs`` (T, V) as a line for a restorer; phonemes become visemes if it reads visemes.

    Raises VsrError bad_config where the reader's units cannot be converted to the restorer's.
    """
    if unit not in (tokenizer.unit, "viseme"):
        raise VsrError("bad_config", f"the restorer takes {unit}s and the reader reads {tokenizer.unit}s")
    return " ".join(units_of(tokenizer.decode(greedy(log_probs).tokens), unit))


def visual_log_prob(log_probs: np.ndarray, words: Sequence[str], tokenizer: UnitTokenizer) -> float:
    """Log-probability of the best CTC path (T, V) through any pronunciations of the words; -inf where none fits."""
    path = path_through(log_probs, [tokenizer.variants(word) for word in words], tokenizer.mark)
    return path[0] if path else -math.inf


@dataclass(frozen=True)
class Restoring:
    """Restores texts of clips, by a reader's tokenizer, the search over its words, a restorer, and options."""

    tokenizer: UnitTokenizer
    search: LexiconSearch
    restorer: Restorer
    options: RestoreOptions

    def line(self, log_probs: Tensor) -> str:
        """The units read from a clip (T, V), see `units_read`. Raises VsrError bad_config."""
        return units_read(log_probs, self.tokenizer, self.restorer.settings.input)

    def candidates(self, log_probs: Tensor) -> list[Candidate]:
        """Candidates of one clip (T, V); an empty list where no text fits into the frames."""
        line, o = self.line(log_probs), self.options
        listed = (
            [hypothesis.words for hypothesis in self.search.run(log_probs, o.beam, o.candidates)]
            if o.candidates
            else []
        )
        written = [tuple(words) for words in self.restorer.write([line], o.written)] if o.written else []
        texts = list(dict.fromkeys([*listed, *written]))
        lip_scores = [visual_log_prob(log_probs.numpy(), words, self.tokenizer) for words in texts]
        fitting = [
            (words, lip_score) for words, lip_score in zip(texts, lip_scores, strict=True) if math.isfinite(lip_score)
        ]
        text_scores = self.restorer.log_probs([line], [words for words, _ in fitting])
        return [
            Candidate(words, lip_score, text_score)
            for (words, lip_score), text_score in zip(fitting, text_scores, strict=True)
        ]

    def record(self, key: str, log_probs: Tensor, nbest: int = 1) -> dict:
        """The record of one clip (T, V); an empty text where no words fit into it."""
        o, candidates = self.options, ranked(self.candidates(log_probs), self.options)
        listed = [
            {"text": " ".join(candidate.words), "score": candidate.score(o.weight, o.bonus)}
            for candidate in candidates[:nbest]
        ]
        best = listed[0] if listed else {"text": "", "score": 0.0}
        return {"id": key, **best, "units": self.line(log_probs), "nbest": listed}


def ranked(candidates: Sequence[Candidate], options: RestoreOptions) -> list[Candidate]:
    """Candidates by their score, best first."""
    return sorted(candidates, key=lambda candidate: (-candidate.score(options.weight, options.bonus), candidate.words))


def check_reader(loaded: LoadedModel) -> UnitTokenizer:
    """The reader's tokenizer. Raises VsrError bad_config for a reader without CTC over phonemes or visemes."""
    if not isinstance(loaded.tokenizer, UnitTokenizer) or not loaded.model.ctc:
        raise VsrError("bad_config", f"{loaded.name} is no reader of phonemes or visemes by CTC (vsr tokens --kind)")
    return loaded.tokenizer
