"""Log-probabilities word by word, by n-grams of a file or counted from lines of text."""

from __future__ import annotations

import math
from typing import Any, Protocol

from vsr.decoding.ngram import END, read_ngram
from vsr.decoding.ngram_file import FILES
from vsr.decoding.ngram_search import LN10
from vsr.decoding.word_ngram import BEGIN, CountedWords, counted_from
from vsr.text.normalise import lower


class WordLanguage(Protocol):
    """The interface of a language model in the search by words; log-probabilities are natural."""

    def begin(self) -> Any: ...

    def after(self, state: Any, word: str) -> tuple[Any, float]: ...

    def end(self, state: Any) -> float: ...


class NoLanguage:
    """No language model: every word scores 0."""

    def begin(self) -> None:
        """No state."""

    def after(self, state: None, word: str) -> tuple[None, float]:
        """0 for any word."""
        return None, 0.0

    def end(self, state: None) -> float:
        """0."""
        return 0.0


class FiledWordStates:
    """N-grams of an ARPA or KenLM file. Raises VsrError where KenLM is missing or cannot read the file."""

    def __init__(self, path: str):
        self.model, self.kenlm = read_ngram(path)

    def begin(self) -> Any:
        """KenLM's state before the first word."""
        state = self.kenlm.State()
        self.model.BeginSentenceWrite(state)
        return state

    def after(self, state: Any, word: str) -> tuple[Any, float]:
        """(state after a word, log-probability of the word), with the word in the letter case of the file."""
        forms = [form for form in (word, word.lower(), word.upper()) if form in self.model]
        new = self.kenlm.State()
        return new, self.model.BaseScore(state, forms[0] if forms else word, new) * LN10

    def end(self, state: Any) -> float:
        """Log-probability that the text ends here."""
        return self.after(state, END)[1]


class CountedWordStates:
    """Kneser-Ney n-grams of lines of text; the state is the previous words."""

    def __init__(self, counted: CountedWords):
        self.counted = counted

    def begin(self) -> tuple[str, ...]:
        """The state before the first word."""
        return (BEGIN,) * (self.counted.order - 1)

    def after(self, state: tuple[str, ...], word: str) -> tuple[tuple[str, ...], float]:
        """(state after a word, log-probability of the word)."""
        log_prob = math.log(self.counted.probability(state, word))
        return ((*state, word)[1:] if self.counted.order > 1 else ()), log_prob

    def end(self, state: tuple[str, ...]) -> float:
        """Log-probability that the text ends here."""
        return math.log(self.counted.probability(state, END))


def word_states(path: str = "", order: int = 3) -> WordLanguage:
    """N-grams of a file, or counted from its lines if it is text; no language model without a path. Raises VsrError."""
    if not path:
        return NoLanguage()
    if path.endswith(FILES):
        return FiledWordStates(path)
    return CountedWordStates(counted_from(path, lower, order))
