"""CTC prefix beam search over the words of a lexicon, with word n-grams.

The prefix beam search of Hannun et al. (2014), restricted to a prefix tree: a hypothesis is the words so far and a node
of the tree. Its score is the sum over all CTC paths of all pronunciations of its words, plus the weighted
log-probability of the words and a bonus for each. Shapes: T frames, V vocabulary without the end token.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import Tensor

from vsr.core.tokens import BLANK
from vsr.decoding.ctc import log_add
from vsr.decoding.lexicon import ROOT, Lexicon, lexicon_for
from vsr.decoding.options import DecodeOptions
from vsr.decoding.pronunciations import best_pronunciations
from vsr.decoding.word_states import NoLanguage, WordLanguage, word_states
from vsr.text.hypothesis import Hypothesis

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

NEVER = -math.inf
NO_TOKEN = -1
NEVER_SAID = -1e30  # score of the empty text where no words fit
Key = tuple[int, int, int]  # (number of the words so far, node, last token)


@dataclass(frozen=True)
class History:
    """Words so far, the language model's state after them, and its weighted score with the word bonuses."""

    words: tuple[str, ...]
    state: Any
    score: float


class LexiconSearch:
    """Args:
    lexicon: the allowed words.
    language: log-probabilities of words; None for none.
    weight: of the log-probabilities.
    bonus: added per word.
    ahead: result of `looked_ahead`, where it is already computed.

    One object searches one utterance at a time.
    """

    def __init__(
        self, lexicon: Lexicon, language: WordLanguage | None = None, weight: float = 0.0, bonus: float = 0.0,
        ahead: list[float] | None = None,
    ):  # fmt: skip
        self.lexicon, self.language = lexicon, language or NoLanguage()
        self.weight, self.bonus = weight, bonus
        self.ahead = looked_ahead(lexicon, self.language, weight) if ahead is None else ahead

    def run(self, log_probs: Tensor, beam: int, nbest: int) -> list[Hypothesis]:
        """Log-probabilities (T, V) of one utterance -> the n-best, best first; an empty list where no words fit."""
        rows = log_probs.tolist()
        self.histories = [History((), self.language.begin(), 0.0)]
        self.numbers: dict[tuple[int, str], int] = {}
        states: dict[Key, tuple[float, float]] = {(0, ROOT, NO_TOKEN): (0.0, NEVER)}
        for row in rows:
            states = self._pruned(self._advanced(states, row), beam)
        texts = self._finished_texts(states)
        best = sorted(texts.items(), key=lambda item: (-sum(item[1]), item[0]))[:nbest]
        return [self._hypothesis(log_probs, words, *scores) for words, scores in best]

    def _advanced(self, states: dict[Key, tuple[float, float]], row: list[float]) -> dict[Key, list[float]]:
        """Advance by one frame: every hypothesis stays, continues its word, or begins the next word."""
        new: dict[Key, list[float]] = {}
        children, words, mark = self.lexicon.children, self.lexicon.words, self.lexicon.mark
        for (number, node, last), (in_blank, in_token) in states.items():
            both = log_add(in_blank, in_token)
            _add(new, (number, node, last), 0, both + row[BLANK])
            if last != NO_TOKEN:
                _add(new, (number, node, last), 1, in_token + row[last])
            self._grow(new, number, children[node], last, in_blank, both, row)
            for word in words[node]:
                if mark is None:
                    self._grow(new, self._with(number, word), children[ROOT], last, in_blank, both, row)
                else:
                    _add(new, (self._with(number, word), ROOT, mark), 1, both + row[mark])
        return new

    @staticmethod
    def _grow(new, number: int, children: dict[int, int], last: int, in_blank: float, both: float, row) -> None:
        """Extend by one token; a token is repeated only after a blank."""
        for token, child in children.items():
            source = in_blank if token == last else both
            if source > NEVER and row[token] > NEVER:
                _add(new, (number, child, token), 1, source + row[token])

    def _with(self, number: int, word: str) -> int:
        """The number of the history ``number`` extended by ``word``."""
        key = (number, word)
        if key not in self.numbers:
            history = self.histories[number]
            state, log_prob = self.language.after(history.state, word)
            self.numbers[key] = len(self.histories)
            self.histories.append(
                History((*history.words, word), state, history.score + self.weight * log_prob + self.bonus)
            )
        return self.numbers[key]

    def _pruned(self, states: dict[Key, list[float]], beam: int) -> dict[Key, tuple[float, float]]:
        """The best ``beam`` states, by score plus the best possible score of the unfinished word."""

        def score(item) -> tuple[float, Key]:
            (number, node, _), ends = item
            ahead = self.ahead[node] if node != ROOT else 0.0
            return -(log_add(*ends) + self.histories[number].score + ahead), item[0]

        survivors = sorted(states.items(), key=score)[:beam] if len(states) > beam else states.items()
        return {key: (ends[0], ends[1]) for key, ends in survivors}

    def _finished_texts(self, states: dict[Key, tuple[float, float]]) -> dict[tuple[str, ...], tuple[float, float]]:
        """Words -> (log-probability by CTC, weighted score of the language model with the end and the bonuses)."""
        texts: dict[tuple[str, ...], tuple[float, float]] = {}
        for (number, node, last), ends in states.items():
            numbers = [self._with(number, word) for word in self.lexicon.words[node]]
            numbers += [0] if last == NO_TOKEN else []
            for history in (self.histories[index] for index in numbers):
                score = history.score + self.weight * self.language.end(history.state) if self.weight else history.score
                before = texts.get(history.words, (NEVER, 0.0))[0]
                texts[history.words] = (log_add(before, log_add(*ends)), score)
        return {words: scores for words, scores in texts.items() if scores[0] > NEVER}

    def _hypothesis(self, log_probs: Tensor, words: tuple[str, ...], ctc: float, language: float) -> Hypothesis:
        """A hypothesis with the tokens of the pronunciations that fit best."""
        variants = [self.lexicon.variants[word] for word in words]
        chosen = best_pronunciations(log_probs.numpy(), variants, self.lexicon.mark) or [0] * len(words)
        tokens: list[int] = []
        spans: list[tuple[int, int]] = []
        for pronunciations, choice in zip(variants, chosen, strict=True):
            tokens += [self.lexicon.mark] if spans and self.lexicon.mark is not None else []
            spans.append((len(tokens), len(tokens) + len(pronunciations[choice])))
            tokens += pronunciations[choice]
        return Hypothesis(tuple(tokens), ctc + language, ctc, 0.0, language, words, tuple(spans))


def looked_ahead(lexicon: Lexicon, language: WordLanguage, weight: float) -> list[float]:
    """For each node the best weighted score of a word that goes through it, as the first word of a text."""
    if not weight:
        return [0.0] * len(lexicon.children)
    begin = language.begin()
    return lexicon.ahead({word: weight * language.after(begin, word)[1] for word in lexicon.variants})


def _add(new: dict[Key, list[float]], key: Key, end: int, score: float) -> None:
    ends = new.get(key)
    if ends is None:
        ends = new[key] = [NEVER, NEVER]
    ends[end] = log_add(ends[end], score) if ends[end] > NEVER else score


def search_clips(search: LexiconSearch, utterances: Sequence[Tensor], beam: int, nbest: int) -> list[list[Hypothesis]]:
    """The n-best of each of several utterances (T, V); an empty text for an utterance where no words fit."""
    return [search.run(log_probs, beam, nbest) or [Hypothesis((), NEVER_SAID)] for log_probs in utterances]


def lexicon_search_of(loaded: LoadedModel, options: DecodeOptions) -> LexiconSearch:
    """The search that the options specify; ``loaded`` caches lexicon and n-grams for the next call. Raises VsrError."""
    names = f" lexicon {options.lexicon}", f" words {options.ngram}"  # among language models, whose names are paths
    lexicon = loaded.languages.get(names[0]) or lexicon_for(loaded.tokenizer, options.lexicon)
    language = loaded.languages.get(names[1]) or word_states(options.ngram)
    weight = options.ngram_weight if options.ngram else 0.0
    ahead_name = f"{names[0]}{names[1]} {weight}"
    ahead = loaded.languages.get(ahead_name) or looked_ahead(lexicon, language, weight)
    loaded.languages.update(zip((*names, ahead_name), (lexicon, language, ahead), strict=True))
    return LexiconSearch(lexicon, language, weight, options.length_bonus, ahead)
