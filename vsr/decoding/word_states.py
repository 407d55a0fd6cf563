"""Log-probabilities of words one after the other, by n-grams of a file or counted from lines of text."""

from __future__ import annotations

import math
from typing import Any, Protocol

from vsr.decoding.ngram import END, read_ngram
from vsr.decoding.ngram_file import FILES
from vsr.decoding.ngram_search import LN10
from vsr.decoding.word_ngram import BEGIN, CountedWords, counted_from
from vsr.text.normalise import lower


class WordLanguage(Protocol):
    """What the search by words asks of a language model; log-probabilities are natural."""

    def begin(self) -> Any: ...

    def after(self, state: Any, word: str) -> tuple[Any, float]: ...

    def end(self, state: Any) -> float: ...


class NoLanguage:
    """Every word is as likely as any."""

    def begin(self) -> None:
        """No state."""

    def after(self, state: None, word: str) -> tuple[None, float]:
        """0 for any word."""
        return None, 0.0

    def end(self, state: None) -> float:
        """0."""
        return 0.0


class FiledWordStates:
    """N-grams of an ARPA or KenLM file. Raises VsrError where KenLM is missing or cannot read it."""

    def __init__(self, path: str):
        self.model, self.kenlm = read_ngram(path)

    def begin(self) -> Any:
        """KenLM's state before the first word."""
        state = self.kenlm.State()
        self.model.BeginSentenceWrite(state)
        return state

    def after(self, state: Any, word: str) -> tuple[Any, float]:
        """(the state after a word, its log-probability); the word in the case that the file has it in."""
        forms = [form for form in (word, word.lower(), word.upper()) if form in self.model]
        new = self.kenlm.State()
        return new, self.model.BaseScore(state, forms[0] if forms else word, new) * LN10

    def end(self, state: Any) -> float:
        """Log-probability that the text ends here."""
        return self.after(state, END)[1]


class CountedWordStates:
    """Kneser-Ney n-grams of lines of text; the state is the words before."""

    def __init__(self, counted: CountedWords):
        self.counted = counted

    def begin(self) -> tuple[str, ...]:
        """The beginning."""
        return (BEGIN,) * (self.counted.order - 1)

    def after(self, state: tuple[str, ...], word: str) -> tuple[tuple[str, ...], float]:
        """(the words before the next one, log-probability)."""
        found = math.log(self.counted.probability(state, word))
        return ((*state, word)[1:] if self.counted.order > 1 else ()), found

    def end(self, state: tuple[str, ...]) -> float:
        """Log-probability that the text ends here."""
        return math.log(self.counted.probability(state, END))


def word_states(path: str = "", order: int = 3) -> WordLanguage:
    """N-grams of a file, as they are or, of lines of text, counted here; none without a path. Raises VsrError."""
    if not path:
        return NoLanguage()
    if path.endswith(FILES):
        return FiledWordStates(path)
    return CountedWordStates(counted_from(path, lower, order))
