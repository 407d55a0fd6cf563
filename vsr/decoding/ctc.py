"""CTC alone: greedy path, prefix beam search, and prefix scores for the joint search.

Shapes: B utterances, K hypotheses, C candidate tokens of each, T frames, V vocabulary.
"""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from torch import Tensor
from torch.nn import functional as F

from vsr.core.tokens import BLANK, UNK
from vsr.text.hypothesis import Hypothesis
from vsr.text.tokenizer import collapse

MINUS_INFINITY = -1e30  # finite: differences of two of them are not NaN
TOKENS_A_FRAME = 16  # the prefix beam tries this many of the likeliest tokens in each frame


def sayable(log_probs: Tensor, eos_id: int) -> Tensor:
    """CTC log-probabilities (..., V) -> (..., V - 1), without tokens that no text may contain: the end token, which
    has no place in a CTC path, is cut off, and the unknown token is set to -inf."""
    log_probs = log_probs[..., :eos_id].clone()
    log_probs[..., UNK] = -math.inf
    return log_probs


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
    prefixes: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -math.inf)}  # ends in blank, in its last token
    likeliest = log_probs.topk(min(TOKENS_A_FRAME, log_probs.shape[1]), dim=-1)
    blanks = log_probs[:, BLANK].tolist()
    for blank, scores, tokens in zip(blanks, likeliest.values.tolist(), likeliest.indices.tolist(), strict=True):
        possible = [(i, s) for i, s in zip(tokens, scores, strict=True) if i != BLANK and s > -math.inf]
        prefixes = _advance(prefixes, blank, possible)
        survivors = sorted(prefixes.items(), key=lambda item: (-log_add(*item[1]), item[0]))[:beam]
        prefixes = dict(survivors)
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
            grown = new[prefix + (token,)]
            grown[1] = log_add(grown[1], (in_blank if repeated else both) + score)
    return {prefix: tuple(ends) for prefix, ends in new.items()}


class PrefixScorer:
    """CTC prefix scores of many hypotheses at once (Watanabe et al. 2017), without a loop over frames or hypotheses.

    A prefix's score is one product of its past with the posteriors of the new token: log sum_t exp(past[t]) p[t].
    Only the chosen extensions need the recursion r[t] = logaddexp(r[t-1], past[t-1]) + x[t], which becomes
    X + logcumsumexp(past - X) with X the running sum of x. Float64, because X grows with the clip.

    ``in_token`` and ``in_blank`` (B, K, T+1) hold, before each frame, the log-probability of the prefix over paths that
    end in its last token, and in a blank.
    """

    def __init__(self, log_probs: Tensor, lengths: Tensor):
        """``log_probs`` (B, T, V) of utterances of ``lengths`` (B,) frames."""
        self.lengths = lengths
        batch, frames, _ = log_probs.shape
        padding = torch.arange(frames, device=lengths.device)[None] >= lengths[:, None]  # (B, T)
        self.padding = padding[:, None]
        # Each token's frames lie together. A posterior of 0 would make log-probabilities of -inf: 1e-300 is as good.
        posteriors = log_probs.double().exp_().clamp_(min=1e-300).masked_fill_(padding[..., None], 0.0)
        self.posteriors = posteriors.transpose(1, 2).contiguous()  # (B, V, T)
        self.space = self.posteriors.new_empty(0)
        self.first = torch.arange(batch, device=lengths.device)[:, None] * self.posteriors.shape[1]  # first row of each
        self.blank_sum = F.pad(self._logs(lengths.new_full((batch, 1), BLANK)).cumsum(-1), (1, 0))  # (B, 1, T+1)
        self.in_blank = self.blank_sum
        self.in_token = torch.full_like(self.blank_sum, MINUS_INFINITY)

    def _rows(self, tokens: Tensor) -> Tensor:
        """Posteriors of ``tokens`` (B, N) over time, (B, N, T), in a buffer that the next call reuses: allocating tens
        of MB again in every step costs three times as much as the copy."""
        needed = tokens.numel() * self.posteriors.shape[2]
        if self.space.numel() < needed:
            self.space = self.posteriors.new_empty(needed)
        rows = self.space[:needed].view(tokens.numel(), -1)
        torch.index_select(self.posteriors.flatten(0, 1), 0, (tokens + self.first).flatten(), out=rows)
        return rows.view(*tokens.shape, -1)

    def _logs(self, tokens: Tensor) -> Tensor:
        """Log-probabilities of ``tokens`` (B, N) over time, (B, N, T), 0 on padding."""
        return self._rows(tokens).log().masked_fill_(self.padding, 0.0)

    def extend(self, last: Tensor, candidates: Tensor) -> Tensor:
        """Scores (B, K, 1+C) of every hypothesis extended by every candidate; the first candidate is the end token.

        ``last`` (B, K) is the last token of each hypothesis, or the start token where there is none. The score with the
        end token is that of the complete text.
        """
        batch, hypotheses, count = candidates.shape
        both = torch.logaddexp(self.in_token, self.in_blank)
        rows = self._rows(candidates[..., 1:].flatten(1)).view(batch, hypotheses, count - 1, -1)
        scores = self._arriving(both, rows)
        # The same token again is a new one only after a blank.
        again = self._arriving(self.in_blank, self._rows(last)[:, :, None])
        scores = torch.where(candidates[..., 1:] == last[..., None], again, scores)
        whole = both.gather(2, self.lengths[:, None, None].expand(-1, hypotheses, 1))
        self.last = last
        return torch.cat([whole, scores], dim=2)

    @staticmethod
    def _arriving(past: Tensor, posteriors: Tensor) -> Tensor:
        """log sum_t exp(past[t]) p[t]: past (B, K, T+1), posteriors (B, K, C, T) -> (B, K, C)."""
        past = past[..., :-1]
        peak = past.amax(-1, keepdim=True)
        weights = (past - peak).exp_()[..., None]
        return (posteriors @ weights)[..., 0].log_().add_(peak).clamp_(min=MINUS_INFINITY)

    def follow(self, parents: Tensor, tokens: Tensor) -> None:
        """Extend the hypotheses ``parents`` (B, K') by ``tokens`` (B, K')."""
        index = parents[..., None].expand(-1, -1, self.blank_sum.shape[2])
        in_token, in_blank = self.in_token.gather(1, index), self.in_blank.expand_as(self.in_token).gather(1, index)
        repeated = (tokens == self.last.gather(1, parents))[..., None]
        source = torch.where(repeated, in_blank, torch.logaddexp(in_token, in_blank))
        self.in_token = self._recursion(source, F.pad(self._logs(tokens).cumsum(-1), (1, 0)))
        self.in_blank = self._recursion(self.in_token, self.blank_sum)

    def _recursion(self, source: Tensor, running: Tensor) -> Tensor:
        """r[0] = -inf, r[t] = logaddexp(r[t-1], source[t-1]) + x[t] with ``running`` the sums of x up to t."""
        total = running[..., 1:] + torch.logcumsumexp(source[..., :-1] - running[..., :-1], dim=-1)
        total = total.masked_fill_(self.padding, MINUS_INFINITY)  # else a peak there could hide the real ones
        return F.pad(total, (1, 0), value=MINUS_INFINITY).clamp_(min=MINUS_INFINITY)

    def select(self, rows: Tensor) -> None:
        """Keep the utterances ``rows`` (B',), in that order."""
        for name in ("lengths", "padding", "first", "blank_sum", "in_token", "in_blank"):
            setattr(self, name, getattr(self, name)[rows])


class NoScorer:
    """Replaces `PrefixScorer` for a model without CTC head: every prefix scores 0."""

    def extend(self, last: Tensor, candidates: Tensor) -> Tensor:
        """Scores of zero, (B, K, 1+C)."""
        return candidates.new_zeros(candidates.shape, dtype=torch.float64)

    def follow(self, parents: Tensor, tokens: Tensor) -> None:
        """Does nothing: there is no state to extend."""

    def select(self, rows: Tensor) -> None:
        """Does nothing: there is no state to select from."""
