"""N-gram look-ahead for a closed vocabulary: a word is scored while it is spelled, and no other can be built.

If a word cost nothing until it ends, hypotheses that never end a word would win at a high weight. So each letter is
charged with the log-probability of the likeliest word that is still possible (Ortmanns, Ney and Eiden 1996). When the
word ends, the charge equals its own log-probability, so that the score of the whole text is the same as without.
Shapes: B utterances, K hypotheses of each, C candidates of each, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from vsr.decoding.ngram_search import LN10, NGramSearch, Place

WORDS = 200  # while more words than these are still possible, nothing is charged yet
BROKEN_OFF = -1e4  # log-probability of a text that ends within a word, chosen only where there is no other


class ClosedSearch(NGramSearch):
    """`NGramSearch` for n-grams over a closed vocabulary, their ``closed``."""

    def __init__(self, ngram, utterances: int, device: torch.device):
        super().__init__(ngram, utterances, device)
        self.vocabulary = ngram.closed
        self._likeliest_scores: dict[tuple, float] = {}

    def rule_out(self, log_probs: Tensor) -> None:
        """Set the tokens of (B, K, V) that lead to no word to -inf, in place."""
        rows = [torch.stack([self.vocabulary.possible(place.word) for place in row]) for row in self.places]
        log_probs.masked_fill_(~torch.stack(rows).to(log_probs.device), -math.inf)

    def extend(self, last: Tensor, candidates: Tensor) -> Tensor:
        """Log-probabilities (B, K, 1+C) of the candidates, the first being the end; -inf for impossible ones."""
        rows = zip(self.places, candidates[..., 1:].tolist(), strict=True)
        scores = [[self._scores(*pair) for pair in zip(row, tokens, strict=True)] for row, tokens in rows]
        return torch.tensor(scores, dtype=torch.float64, device=self.device)

    def _scores(self, place: Place, tokens: list[int]) -> list[float]:
        possible = self.vocabulary.possible(place.word)
        end, *added = self.ngram.scores(place, tokens)
        whole = not place.word or place.word in self.vocabulary.known
        before = self.charged(place)
        after = (self.charged(self.ngram.after(place, t)) if possible[t] else -math.inf for t in tokens)
        token_scores = [log_prob + later - before for log_prob, later in zip(added, after, strict=True)]
        return [end - before if whole else BROKEN_OFF, *token_scores]

    def charged(self, place: Place) -> float:
        """The log-probability of the likeliest word still possible at ``place``; 0 where no word has begun."""
        if not place.word:
            return 0.0
        key = (place.state, place.word)
        if key not in self._likeliest_scores:
            words = self.vocabulary.beginning(place.word)
            self._likeliest_scores[key] = self._likeliest(place.state, words) if 0 < len(words) <= WORDS else 0.0
        return self._likeliest_scores[key]

    def _likeliest(self, state, words: range) -> float:
        model, after, in_file = self.ngram.model, self.ngram.kenlm.State(), self.ngram.in_file
        return LN10 * max(model.BaseScore(state, in_file(self.vocabulary.words[k]), after) for k in words)
