"""Scores by a whole-word model for the hypotheses of a search over smaller tokens.

Its CTC scores the complete words of a hypothesis and, for the word in progress, all words that it may become. Its
vocabulary is taken to be complete: any other word costs as much as the unlikeliest.

Shapes: B utterances, K hypotheses of each, C candidates of each, T frames, W words, N nodes of the words' tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vsr.core.machine import exact_device
from vsr.core.tokens import UNK
from vsr.decoding.ctc import PrefixScorer
from vsr.decoding.lexicon_search import lexicon_search_of
from vsr.decoding.options import DecodeOptions
from vsr.decoding.shallow_fusion import languages_of
from vsr.decoding.word_tree import WordTree
from vsr.models.fusion import FusedReader
from vsr.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

TRACKS = " tracks"  # among a model's language models, whose names are paths
UNLISTED = -30.0  # log-probability of a word outside the reader's vocabulary
LEAST = 1e-300  # least probability of a word, relative to the likeliest
FIRST = UNK + 1  # id of the first word in the reader's tokenizer


class TrackWords:
    """The reader of tracks in a fused model, which scores what the reader of pixels writes."""

    def __init__(self, reader: FusedReader, tokenizer: Tokenizer):
        self.reader, self.tree = reader, WordTree.of(reader.config.words, tokenizer)

    def of(self, states: Tensor, lengths: Tensor) -> WordEvidence:
        """Its word log-probabilities for the clips with states (B, T, D) of ``lengths`` (B,) frames."""
        home, (word_log_probs, weights) = exact_device(states.device), self.reader.track_log_probs(states, lengths)
        return WordEvidence(word_log_probs.to(home), weights.to(home), lengths.to(home), self.tree)


def joining(loaded: LoadedModel, options: DecodeOptions) -> list:
    """(weight, scorer) of what joins the search: language models that the options name, a fused model's track reader.

    Raises VsrError as `vsr.decoding.shallow_fusion.languages_of`.
    """
    if options.method == "lexicon":
        return [(1.0, lexicon_search_of(loaded, options))]
    languages = languages_of(loaded, options)
    if isinstance(loaded.model, FusedReader):
        tracks = loaded.languages.setdefault(TRACKS, TrackWords(loaded.model, loaded.tokenizer))
        languages.append((1.0, tracks))
    return languages


class WordEvidence:
    """Word log-probabilities (B, T, 2 + W + 1) of utterances of ``lengths`` (B,) frames, each with a weight (B,); joins
    the search like a language model."""

    def __init__(self, log_probs: Tensor, weights: Tensor, lengths: Tensor, tree: WordTree):
        self.log_probs, self.weights, self.lengths, self.tree = log_probs, weights.double(), lengths, tree

    def start(self, utterances: int, device: torch.device) -> WordSearch:
        """The state of one search."""
        return WordSearch(PrefixScorer(self.log_probs, self.lengths), self.weights, self.tree)


class WordSearch:
    """State of each hypothesis: CTC paths through its whole words and with the word that may end now, node, score."""

    gain = 0.0

    def __init__(self, scorer: PrefixScorer, weights: Tensor, tree: WordTree):
        self.scorer, self.weights, self.tree = scorer, weights, tree.to(weights.device)
        batch, words = len(weights), tree.below.shape[1]
        self.words = torch.arange(FIRST, FIRST + words, device=weights.device)
        self.below = self.tree.below.double().T  # (W, N)
        self.node = weights.new_zeros(batch, 1, dtype=torch.long)
        self.past = weights.new_zeros(batch, 1)  # score of the hypothesis so far
        self.whole = (torch.full_like(self.node, -1), scorer.in_token, scorer.in_blank)  # last word, and paths
        self.ending, self.closed = self.whole, self.past
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Compute the score of every node after the whole words, (B, K, N)."""
        last, self.scorer.in_token, self.scorer.in_blank = self.whole
        words = torch.cat([self.words[:1], self.words]).expand(*last.shape, -1)  # the first stands for the end
        following = self.scorer.extend(last.clamp(min=0), words)[..., 1:]
        most = following.amax(-1, keepdim=True)
        below = (following - most).double().exp() @ self.below  # a product costs a fifth of logsumexp over all pairs
        nodes = most + below.clamp(min=LEAST).log().to(following)
        nodes[..., 0], nodes[..., -1] = following.logsumexp(-1), float("-inf")
        self.ahead, self.following = nodes, following

    def words_at(self, node: Tensor) -> Tensor:
        """Scores of the words that end at nodes (B, K, 1+C); undefined for nodes at which no word ends."""
        return self.following.gather(2, self.tree.word[node].clamp(min=0))

    def extend(self, last: Tensor, candidates: Tensor) -> Tensor:
        """Weighted scores that the candidates (B, K, 1+C) add to the hypotheses; the first candidate is the end."""
        node = self.node[..., None].expand_as(candidates)
        children, complete = self.tree.child[node, candidates], self.tree.word[node] >= 0
        scores = self.ahead.gather(2, children)
        whole = self.words_at(node)  # score of the complete word, without longer words that begin with it
        scores = torch.where((candidates == self.tree.space) & complete, whole, scores)
        scores[..., 0] = torch.where(complete[..., 0], self.closed, float("-inf"))
        unlisted = self.past[..., None] + UNLISTED * (node < len(self.tree.word) - 1)  # charged once per word
        scores = torch.where(scores.isfinite(), scores, unlisted)
        self.candidates, self.said = candidates, scores
        return (scores - self.past[..., None]) * self.weights[:, None, None]

    def follow(self, parents: Tensor, tokens: Tensor) -> None:
        """Extend the hypotheses ``parents`` (B, K') by ``tokens`` (B, K')."""
        index = torch.arange(len(parents), device=parents.device)[:, None]
        node = self.node[index, parents]
        chosen = self.candidates[index, parents] == tokens[..., None]
        self.past = self.said[index, parents].masked_fill(~chosen, float("-inf")).amax(-1)
        self._move(index, parents)
        opens = (tokens == self.tree.space) & (self.tree.word[node] >= 0)
        self.node = torch.where(opens, 0, self.tree.child[node, tokens])
        if opens.any():
            self.whole = _select_paths(opens, self.ending, self.whole)
            self._look_ahead()
        self._end_words()

    def _move(self, index: Tensor, parents: Tensor) -> None:
        """Reorder the state by the parents."""
        for name in ("closed", "ahead", "following"):
            setattr(self, name, getattr(self, name)[index, parents])
        for name in ("whole", "ending"):
            setattr(self, name, tuple(_of_parents(values, index, parents) for values in getattr(self, name)))

    def _end_words(self) -> None:
        """Where a word may end now, compute the paths through it and the score of the text if it ends there."""
        word = self.tree.word[self.node]
        if not (word >= 0).any():
            return
        last, self.scorer.in_token, self.scorer.in_blank = self.whole
        self.scorer.last = last
        tokens = self.words[word.clamp(min=0)]
        same = torch.arange(word.shape[1], device=word.device).expand_as(word)
        self.scorer.follow(same, tokens)
        ending = (tokens, self.scorer.in_token, self.scorer.in_blank)
        self.ending = _select_paths(word >= 0, ending, self.ending)
        places = self.scorer.lengths[:, None, None].expand(*word.shape, 1)
        closed = torch.logaddexp(*ending[1:]).gather(2, places)[..., 0]
        self.closed = torch.where(word >= 0, closed, self.closed)

    def rule_out(self, log_probs: Tensor) -> None:
        """Does nothing: no token is impossible."""

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',)."""
        self.scorer.last, self.scorer.in_token, self.scorer.in_blank = self.whole
        self.scorer.select(rows)
        for name in ("weights", "node", "past", "closed", "ahead", "following"):
            setattr(self, name, getattr(self, name)[rows])
        self.whole, self.ending = (tuple(values[rows] for values in paths) for paths in (self.whole, self.ending))


def _of_parents(values: Tensor, index: Tensor, parents: Tensor) -> Tensor:
    """Values of the parents; a value common to all hypotheses may be stored once."""
    return values[index, parents.clamp(max=values.shape[1] - 1)]


def _select_paths(where: Tensor, first: tuple, second: tuple) -> tuple:
    """Paths (last word, in_token, in_blank): ``first`` where ``where`` (B, K) holds, ``second`` elsewhere."""
    pairs = zip(first, second, strict=True)
    return tuple(torch.where(where if a.dim() == 2 else where[..., None], a, b) for a, b in pairs)
