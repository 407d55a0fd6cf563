"""The text of a single head for a window, such as a translation: words without times of their own.

Such a head has no word times: its words are spread over the window by their letters, and the confidence of each is the
geometric mean of the token probabilities, which is not calibrated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vsr.decoding.heads import sentence_head, tokenizer_of
from vsr.inference.records import ScoredWords
from vsr.output.transcript import TimedWord
from vsr.text.hypothesis import Hypothesis

if TYPE_CHECKING:
    from torch import Tensor

    from vsr.modelstore.folder import LoadedModel


def search_head(loaded: LoadedModel, name: str, states: Tensor, lengths: Tensor, nbest: int) -> list[list[Hypothesis]]:
    """The head's hypotheses of each window, best first, from states (B, T, D) and lengths (B,).

    Raises VsrError bad_config for a head that outputs no text.
    """
    batch = loaded.model.heads[sentence_head(loaded, name)].search(states, lengths, nbest)
    return [ranked[:nbest] or [Hypothesis((), 0.0)] for ranked in batch]


def words_of(loaded: LoadedModel, name: str, ranked: Sequence[Hypothesis], edges: np.ndarray) -> list[ScoredWords]:
    """The words of each hypothesis of a window with frame borders ``edges`` (T + 1,), in seconds."""
    tokenizer = tokenizer_of(loaded, name)
    first, last = float(edges[0]), float(edges[-1])
    readings = []
    for hypothesis in ranked:
        text = tokenizer.decode(hypothesis.tokens)
        words = spread_words(text, first, last, token_confidence(hypothesis))
        readings.append(ScoredWords(hypothesis.score, words))
    return readings


def token_confidence(hypothesis: Hypothesis) -> float:
    """The geometric mean of the probabilities of a hypothesis's tokens and end token."""
    return math.exp(min(0.0, hypothesis.score / (len(hypothesis.tokens) + 1)))


def spread_words(text: str, first: float, last: float, confidence: float) -> tuple[TimedWord, ...]:
    """The words of a text from ``first`` to ``last`` seconds, each with a length in proportion to its letters."""
    words = text.split()
    bounds = np.cumsum([0, *(len(word) for word in words)]) * (last - first) / max(1, sum(map(len, words))) + first
    return tuple(
        TimedWord(word, float(start), float(end), confidence)
        for word, start, end in zip(words, bounds, bounds[1:], strict=False)
    )
