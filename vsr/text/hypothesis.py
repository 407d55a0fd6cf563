"""The result of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Hypothesis:
    """Tokens without start and end, their score, and its parts (log-probabilities; 0 where a part was not used).

    ``language_score`` is the weighted sum of the language models' scores. ``words`` and their ``spans`` of tokens
    (first, one past the last) are given if the search used a lexicon; else the tokenizer finds the words.
    """

    tokens: tuple[int, ...]
    score: float
    ctc_score: float = 0.0
    attention_score: float = 0.0
    language_score: float = 0.0
    words: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def parts(self) -> dict[str, float]:
        """The parts of the score that were used, by source: ctc, attention, language."""
        parts = {"ctc": self.ctc_score, "attention": self.attention_score, "language": self.language_score}
        return {name: value for name, value in parts.items() if value}

    def text(self, tokenizer: Any) -> str:
        """Its words, else the text that the tokenizer decodes."""
        return " ".join(self.words) if self.spans or not self.tokens else tokenizer.decode(self.tokens)


@dataclass(frozen=True)
class Spelled:
    """Stands for the tokenizer of a hypothesis whose words are known."""

    hypothesis: Hypothesis

    def word_spans(self, ids: Sequence[int]) -> list[tuple[str, int, int]]:
        """(word, first token, one past its last)."""
        return [(word, *span) for word, span in zip(self.hypothesis.words, self.hypothesis.spans, strict=True)]


def words_in(hypothesis: Hypothesis, tokenizer: Any) -> Any:
    """The object that finds the words of a hypothesis: itself, else the tokenizer."""
    return Spelled(hypothesis) if hypothesis.spans else tokenizer
