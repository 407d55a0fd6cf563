"""CTC alone: greedy path, prefix beam search, and prefix scores for the joint search.

Shapes: B utterances, K hypotheses, C candidate tokens of each, T frames, V vocabulary.
"""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from torch import Tensor

from vsr.decode.options import Hypothesis
from vsr.text.tokenizer import BLANK, collapse

MINUS_INFINITY = -1e30  # finite: differences of two of them are not NaN
TOKENS_A_FRAME = 16  # the prefix beam tries so many of the likeliest tokens in each frame


def greedy(log_probs: Tensor) -> Hypothesis:
    """Best path of one utterance, (T, V) -> its tokens and the path's log-probability."""
    best, path = log_probs.max(-1)
    score = float(best.sum())
    return Hypothesis(tuple(collapse(path.tolist())), score, ctc_score=score)


def log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    high, low = (a, b) if a > b else (b, a)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def prefix_beam(log_probs: Tensor, beam: int, nbest: int) -> list[Hypothesis]:
    """CTC prefix beam search (Hannun et al. 2014) of one utterance, (T, V) -> the ``nbest`` best, best first."""
    prefixes: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -math.inf)}  # ends in blank, in a token
    likeliest = log_probs.topk(min(TOKENS_A_FRAME, log_probs.shape[1]), dim=-1)
    blanks = log_probs[:, BLANK].tolist()
    for blank, scores, tokens in zip(blanks, likeliest.values.tolist(), likeliest.indices.tolist(), strict=True):
        prefixes = _advance(prefixes, blank, [(i, s) for i, s in zip(tokens, scores, strict=True) if i != BLANK])
        kept = sorted(prefixes.items(), key=lambda item: (-log_add(*item[1]), item[0]))[:beam]
        prefixes = dict(kept)
    totals = [Hypothesis(tokens, log_add(*ends), ctc_score=log_add(*ends)) for tokens, ends in prefixes.items()]
    return totals[:nbest]


def _advance(prefixes, blank: float, tokens: list[tuple[int, float]]):
    """One frame: every prefix stays or grows by one token."""
    new: dict = defaultdict(lambda: [-math.inf, -math.inf])
    for prefix, (in_blank, in_token) in prefixes.items():
        both = log_add(in_blank, in_token)
        stay = new[prefix]
        stay[0] = log_add(stay[0], both + blank)
        for token, score in tokens:
            repeated = bool(prefix) and prefix[-1] == token
            if repeated:
                stay[1] = log_add(stay[1], in_token + score)
            grown = new[(*prefix, token)]
            grown[1] = log_add(grown[1], (in_blank if repeated else both) + score)
    return {prefix: tuple(ends) for prefix, ends in new.items()}


class PrefixScorer:
    """CTC prefix scores of many hypotheses at once (Watanabe et al. 2017), without a loop over frames or hypotheses.

    The recursions r[t] = logaddexp(r[t-1], a[t-1]) + x[t] become X + logcumsumexp(a - X) with X the running sum of x.
    Float64, because X grows with the clip. ``forward`` (B, K, T+1, 2) holds, before each frame, the log-probability
    of the prefix ending in a token and in blank.
    """

    def __init__(self, log_probs: Tensor, lengths: Tensor):
        self.log_probs = log_probs.double()  # (B, T, V)
        self.lengths = lengths
        batch, frames, _ = log_probs.shape
        blank = self.log_probs[:, :, BLANK]
        self.blank_sum = torch.cat([blank.new_zeros(batch, 1), blank.cumsum(1)], dim=1)[:, None]  # (B, 1, T+1)
        empty = torch.full_like(self.blank_sum, MINUS_INFINITY)
        self.forward = torch.stack([empty, self.blank_sum], dim=-1)
        self.prefix = blank.new_zeros(batch, 1)
        self.past = torch.arange(1, frames + 1, device=lengths.device)[None] > lengths[:, None]  # (B, T) padding

    def finished(self) -> Tensor:
        """Log-probability that each hypothesis is the whole text, (B, K)."""
        ends = torch.logaddexp(self.forward[..., 0], self.forward[..., 1])
        return ends.gather(2, self.lengths[:, None, None].expand(-1, ends.shape[1], 1))[..., 0]

    def extend(self, last: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Prefix scores (B, K, C) of every hypothesis with every candidate (B, K, C), and their new ``forward``.

        ``last`` (B, K) is each hypothesis' last token, -1 for none.
        """
        batch, hypotheses, count = candidates.shape
        columns = self.log_probs.gather(2, candidates.flatten(1)[:, None].expand(-1, self.log_probs.shape[1], -1))
        token = columns.transpose(1, 2).view(batch, hypotheses, count, -1)  # (B, K, C, T)
        both = torch.logaddexp(self.forward[..., 0], self.forward[..., 1])[:, :, None]
        repeated = (candidates == last[..., None])[..., None]
        source = torch.where(repeated, self.forward[:, :, None, :, 1], both)  # (B, K, C, T+1)
        arriving = (source[..., :-1] + token).masked_fill(self.past[:, None, None], MINUS_INFINITY)
        scores = arriving.logsumexp(-1)
        in_token = self._recursion(source, torch.nn.functional.pad(token.cumsum(-1), (1, 0)))
        in_blank = self._recursion(in_token, self.blank_sum[:, :, None].expand_as(in_token))
        return scores, torch.stack([in_token, in_blank], dim=-1)

    @staticmethod
    def _recursion(source: Tensor, running: Tensor) -> Tensor:
        """r[0] = -inf, r[t] = logaddexp(r[t-1], source[t-1]) + x[t] with ``running`` the sums of x up to t."""
        total = running[..., 1:] + torch.logcumsumexp(source[..., :-1] - running[..., :-1], dim=-1)
        return torch.nn.functional.pad(total, (1, 0), value=MINUS_INFINITY).clamp(min=MINUS_INFINITY)

    def follow(self, forward: Tensor, scores: Tensor, rows: Tensor) -> None:
        """Go on with chosen extensions: ``forward`` (B, K', T+1, 2), ``scores`` (B, K') of the utterances ``rows``."""
        self.forward, self.prefix = forward, scores
        if len(rows) != len(self.lengths):
            self.log_probs, self.lengths = self.log_probs[rows], self.lengths[rows]
            self.blank_sum, self.past = self.blank_sum[rows], self.past[rows]


class NoScorer:
    """In the place of `PrefixScorer` for a model without CTC head: every prefix scores 0."""

    def __init__(self, lengths: Tensor):
        self.prefix = lengths.new_zeros(len(lengths), 1, dtype=torch.float64)
        self.forward = self.prefix

    def finished(self) -> Tensor:
        """(B, K)."""
        return self.prefix

    def extend(self, last: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, K, C), and as much again as what a prefix would carry on."""
        scores = candidates.new_zeros(candidates.shape, dtype=torch.float64)
        return scores, scores

    def follow(self, forward: Tensor, scores: Tensor, rows: Tensor) -> None:
        """Go on with chosen extensions (B, K')."""
        self.prefix = self.forward = scores
