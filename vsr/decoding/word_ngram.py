"""Log-probabilities of whole texts by word n-grams, from an ARPA or KenLM file or counted here from lines of text.

Counts are smoothed by interpolated Kneser-Ney with one discount (Kneser and Ney 1995; Chen and Goodman 1999).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from vsr.core.errors import VsrError
from vsr.decoding.ngram import END, read_ngram
from vsr.decoding.ngram_search import LN10

BEGIN = "<s>"
ORDER, DISCOUNT = 3, 0.75


class CountedWords:
    """Kneser-Ney n-grams of lines of words."""

    def __init__(self, lines: Iterable[Sequence[str]], order: int = ORDER):
        self.order, self.vocabulary = order, {END}
        self.counts: list[Counter] = [Counter() for _ in range(order)]  # of n-grams of 1 to ``order`` words
        for words in lines:
            self.vocabulary.update(words)
            padded = (BEGIN,) * (order - 1) + tuple(words) + (END,)
            self.counts[-1].update(padded[i : i + order] for i in range(len(words) + 1))
        for size in range(order - 1, 0, -1):  # lower orders count distinct left contexts
            self.counts[size - 1].update(gram[1:] for gram in self.counts[size])
        self.totals: list[Counter] = []
        self.kinds: list[Counter] = []
        for counts in self.counts:
            total: Counter = Counter()
            kinds: Counter = Counter()
            for gram, count in counts.items():
                total[gram[:-1]] += count
                kinds[gram[:-1]] += 1
            self.totals.append(total)
            self.kinds.append(kinds)

    def probability(self, context: tuple[str, ...], word: str) -> float:
        """Probability of ``word`` after ``context`` of at most order - 1 words; unknown words share what is left."""
        size = len(context)
        lower = self.probability(context[1:], word) if context else 1 / (len(self.vocabulary) + 1)
        total = self.totals[size][context]
        if not total:
            return lower
        discounted = max(0.0, self.counts[size][context + (word,)] - DISCOUNT)
        return (discounted + DISCOUNT * self.kinds[size][context] * lower) / total

    def texts(self, texts: Sequence[Sequence[str]]) -> list[float]:
        """Natural log-probability of each text with its end."""
        return [self._text(words) for words in texts]

    def _text(self, words: Sequence[str]) -> float:
        padded, total = (BEGIN,) * (self.order - 1) + tuple(words) + (END,), 0.0
        for place in range(self.order - 1, len(padded)):
            total += math.log(self.probability(padded[place - self.order + 1 : place], padded[place]))
        return total


class FiledWords:
    """N-grams of an ARPA or KenLM file. Raises VsrError where KenLM is missing or cannot read the file."""

    def __init__(self, path: str):
        self.model, _ = read_ngram(path)

    def texts(self, texts: Sequence[Sequence[str]]) -> list[float]:
        """Natural log-probability of each text with its end."""
        return [self.model.score(" ".join(words), bos=True, eos=True) * LN10 for words in texts]


def counted_from(path: str, norm: Callable[[str], str], order: int = ORDER) -> CountedWords:
    """N-grams counted from the lines of a text file. Raises VsrError where it has no words."""
    from vsr.core.files import read_lines

    lines = [words for _, line in read_lines(path) if (words := norm(line).split())]
    if not lines:
        raise VsrError("bad_config", f"{path} holds no lines of text")
    return CountedWords(lines, order)


def words_of(path: str, norm: Callable[[str], str]) -> CountedWords | FiledWords:
    """N-grams of an ARPA (`.arpa`, `.arpa.gz`) or KenLM (`.bin`, `.klm`, `.binary`) file, else counted from its lines.

    Raises VsrError.
    """
    is_ngram_file = path.endswith((".arpa", ".arpa.gz", ".bin", ".klm", ".binary"))
    return FiledWords(path) if is_ngram_file else counted_from(path, norm)
