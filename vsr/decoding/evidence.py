"""Scores of a whole-word reader for the texts that a search over smaller tokens tries.

Its CTC scores the words so far, and of the word that is being written every word that it may become. Its words are all
the words there are: another word costs as much as the unlikeliest.

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
UNLISTED = -30.0  # log-probability of a word that is not among those of the reader
LEAST = 1e-300  # probability of a word beside the likeliest: less is not distinguished
FIRST = UNK + 1  # id of the first word in the reader's tokenizer


class TrackWords:
    """The reader of tracks in a fused model, over what the reader of pixels writes."""

    def __init__(self, reader: FusedReader, tokenizer: Tokenizer):
        self.reader, self.tree = reader, WordTree.of(reader.config.words, tokenizer)

    def of(self, states: Tensor, lengths: Tensor) -> WordEvidence:
        """What it says of the clips with states (B, T, D) of ``lengths`` (B,) frames."""
        home, (said, weights) = exact_device(states.device), self.reader.said_by_tracks(states, lengths)
        return WordEvidence(said.to(home), weights.to(home), lengths.to(home), self.tree)


def joining(loaded: LoadedModel, options: DecodeOptions) -> list:
    """(weight, what joins the search): language models that the options name, and a fused model's reader of tracks.

    Raises VsrError as `vsr.decoding.shallow_fusion.languages_of`.
    """
    if options.method == "lexicon":
        return [(1.0, lexicon_search_of(loaded, options))]
    found = languages_of(loaded, options)
    if isinstance(loaded.model, FusedReader):
        own = loaded.languages.setdefault(TRACKS, TrackWords(loaded.model, loaded.tokenizer))
        found.append((1.0, own))
    return found


class WordEvidence:
    """Word log-probabilities (B, T, 2 + W + 1) of utterances of ``lengths`` (B,) frames, each with a weight (B,), where
    the search has a language model."""

    def __init__(self, log_probs: Tensor, weights: Tensor, lengths: Tensor, tree: WordTree):
        self.log_probs, self.weights, self.lengths, self.tree = log_probs, weights.double(), lengths, tree

    def start(self, utterances: int, device: torch.device) -> WordSearch:
        """What one search keeps."""
        return WordSearch(PrefixScorer(self.log_probs, self.lengths), self.weights, self.tree)


class WordSearch:
    """For each hypothesis: paths through its whole words, paths with the word that may end now, its node, its score."""

    gain = 0.0

    def __init__(self, scorer: PrefixScorer, weights: Tensor, tree: WordTree):
        self.scorer, self.weights, self.tree = scorer, weights, tree.to(weights.device)
        batch, words = len(weights), tree.below.shape[1]
        self.words = torch.arange(FIRST, FIRST + words, device=weights.device)
        self.below = self.tree.below.double().T  # (W, N)
        self.node = weights.new_zeros(batch, 1, dtype=torch.long)
        self.past = weights.new_zeros(batch, 1)  # what was said of the hypothesis so far
        self.whole = (torch.full_like(self.node, -1), scorer.in_token, scorer.in_blank)  # last word, and paths
        self.ending, self.closed = self.whole, self.past
        self._look_ahead()

    def _look_ahead(self) -> None:
        """What is said of every node after the whole words, (B, K, N)."""
        last, self.scorer.in_token, self.scorer.in_blank = self.whole
        words = torch.cat([self.words[:1], self.words]).expand(*last.shape, -1)  # the first stands for the end
        following = self.scorer.extend(last.clamp(min=0), words)[..., 1:]
        most = following.amax(-1, keepdim=True)
        below = (following - most).double().exp() @ self.below  # a product costs a fifth of logsumexp over all pairs
        nodes = most + below.clamp(min=LEAST).log().to(following)
        nodes[..., 0], nodes[..., -1] = following.logsumexp(-1), float("-inf")
        self.ahead, self.following = nodes, following

    def words_at(self, node: Tensor) -> Tensor:
        """What is said of the word that ends at each node (B, K, 1+C); of another node anything."""
        return self.following.gather(2, self.tree.word[node].clamp(min=0))

    def extend(self, last: Tensor, candidates: Tensor) -> Tensor:
        """What the candidates (B, K, 1+C), of which the first is the end, add to the hypotheses."""
        node = self.node[..., None].expand_as(candidates)
        after, complete = self.tree.child[node, candidates], self.tree.word[node] >= 0
        said = self.ahead.gather(2, after)
        whole = self.words_at(node)  # what is said of the word that is complete, without those that go on from it
        said = torch.where((candidates == self.tree.space) & complete, whole, said)
        said[..., 0] = torch.where(complete[..., 0], self.closed, float("-inf"))
        unlisted = self.past[..., None] + UNLISTED * (node < len(self.tree.word) - 1)  # counted once for each
        said = torch.where(said.isfinite(), said, unlisted)
        self.candidates, self.said = candidates, said
        return (said - self.past[..., None]) * self.weights[:, None, None]

    def follow(self, parents: Tensor, tokens: Tensor) -> None:
        """Go on with ``tokens`` (B, K') after the hypotheses ``parents`` (B, K')."""
        index = torch.arange(len(parents), device=parents.device)[:, None]
        node = self.node[index, parents]
        chosen = self.candidates[index, parents] == tokens[..., None]
        self.past = self.said[index, parents].masked_fill(~chosen, float("-inf")).amax(-1)
        self._move(index, parents)
        opens = (tokens == self.tree.space) & (self.tree.word[node] >= 0)
        self.node = torch.where(opens, 0, self.tree.child[node, tokens])
        if opens.any():
            self.whole = _chosen(opens, self.ending, self.whole)
            self._look_ahead()
        self._end_words()

    def _move(self, index: Tensor, parents: Tensor) -> None:
        """Everything that is kept, in the order of the parents."""
        for name in ("closed", "ahead", "following"):
            setattr(self, name, getattr(self, name)[index, parents])
        for name in ("whole", "ending"):
            setattr(self, name, tuple(_of(own, index, parents) for own in getattr(self, name)))

    def _end_words(self) -> None:
        """Where a word may end now: the paths through it, and the score of the text if it ends there."""
        word = self.tree.word[self.node]
        if not (word >= 0).any():
            return
        last, self.scorer.in_token, self.scorer.in_blank = self.whole
        self.scorer.last = last
        tokens = self.words[word.clamp(min=0)]
        same = torch.arange(word.shape[1], device=word.device).expand_as(word)
        self.scorer.follow(same, tokens)
        found = (tokens, self.scorer.in_token, self.scorer.in_blank)
        self.ending = _chosen(word >= 0, found, self.ending)
        places = self.scorer.lengths[:, None, None].expand(*word.shape, 1)
        closed = torch.logaddexp(*found[1:]).gather(2, places)[..., 0]
        self.closed = torch.where(word >= 0, closed, self.closed)

    def rule_out(self, log_probs: Tensor) -> None:
        """Nothing is impossible."""

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',)."""
        self.scorer.last, self.scorer.in_token, self.scorer.in_blank = self.whole
        self.scorer.select(rows)
        for name in ("weights", "node", "past", "closed", "ahead", "following"):
            setattr(self, name, getattr(self, name)[rows])
        self.whole, self.ending = (tuple(own[rows] for own in paths) for paths in (self.whole, self.ending))


def _of(values: Tensor, index: Tensor, parents: Tensor) -> Tensor:
    """Of the parents; what is the same for all hypotheses may be there once."""
    return values[index, parents.clamp(max=values.shape[1] - 1)]


def _chosen(where: Tensor, first: tuple, second: tuple) -> tuple:
    """Paths (last word, in_token, in_blank) of the first where ``where`` (B, K), else of the second."""
    pairs = zip(first, second, strict=True)
    return tuple(torch.where(where if one.dim() == 2 else where[..., None], one, other) for one, other in pairs)
