"""What a search returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hypothesis:
    """Tokens without start and end, their score, and its parts (log-probabilities; 0 where a part was not used).

    ``language_score`` is the weighted sum of the language models'.
    """

    tokens: tuple[int, ...]
    score: float
    ctc_score: float = 0.0
    attention_score: float = 0.0
    language_score: float = 0.0
