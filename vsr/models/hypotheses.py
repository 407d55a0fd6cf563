"""Hypotheses of an attention decoder for training: sampled or searched without gradients, scored with them.

Shapes: B clips, K hypotheses of each, U tokens of the longest, T frames, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.core.tokens import BLANK, IGNORE, UNK
from vsr.models.decoder import Decoder
from vsr.models.lengths import length_mask
from vsr.models.targets import shift_tokens


@dataclass(frozen=True)
class Hypotheses:
    """tokens (B, K, U), padded with -1, without the end; ended (B, K): whether they ended within the limit."""

    tokens: Tensor
    ended: Tensor

    @property
    def lengths(self) -> Tensor:
        """Numbers of tokens (B, K)."""
        return (self.tokens != IGNORE).sum(-1)

    def lists(self) -> list[list[list[int]]]:
        """Tokens of each hypothesis of each clip."""
        return [
            [tokens[:count] for tokens, count in zip(hypotheses, counts, strict=True)]
            for hypotheses, counts in zip(self.tokens.tolist(), self.lengths.tolist(), strict=True)
        ]


@contextmanager
def record_decoder_inputs(decoder: Decoder) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Context with a list of the states (B, T, D) and lengths (B,) of every pass of the decoder."""
    calls: list[tuple[Tensor, Tensor]] = []
    handle = decoder.register_forward_pre_hook(lambda module, args: calls.append((args[1], args[2])))
    try:
        yield calls
    finally:
        handle.remove()


def sayable(logits: Tensor) -> Tensor:
    """Logits (..., V) with -inf for blank and unknown, which no text has."""
    return logits.index_fill(-1, torch.tensor([BLANK, UNK], device=logits.device), -torch.inf)


@torch.no_grad()
def sample_hypotheses(decoder: Decoder, states: Tensor, lengths: Tensor, count: int, limit: Tensor) -> Hypotheses:
    """``count`` samples of each clip by the decoder's probabilities, of at most ``limit`` (B,) tokens."""
    end = decoder.embed.num_embeddings - 1
    cache, last_tokens = decoder.start(states, lengths), lengths.new_full((len(lengths), count), end)
    is_running = torch.ones_like(last_tokens, dtype=torch.bool)
    ended, steps = torch.zeros_like(is_running), []
    for step in range(int(limit.max()) + 1):
        logits = sayable(decoder.step(last_tokens, cache).float())
        last_tokens = torch.multinomial(logits.softmax(-1).flatten(0, 1), 1).view_as(last_tokens)
        ended |= is_running & (last_tokens == end)
        is_running &= (last_tokens != end) & (step < limit)[:, None]
        steps.append(torch.where(is_running, last_tokens, IGNORE))
        if not is_running.any():
            break
    return Hypotheses(torch.stack(steps, -1), ended)


@torch.no_grad()
def beam_search(
    decoder: Decoder, states: Tensor, lengths: Tensor, count: int, limit: Tensor, first: Tensor | None = None,
    power: float = 0.0,
) -> Hypotheses:  # fmt: skip
    """The ``count`` best hypotheses of each clip by beam search with the decoder alone, best first; ``ended`` is False
    where the search found fewer. ``first`` (B,): the first token, such as that of a language; None: the end token.
    Ended hypotheses are ranked by log-probability / (number of tokens, with the end) ** ``power``: 0 ranks by the
    log-probability, which favours texts that break off; 1 by its mean."""
    end, rows = decoder.embed.num_embeddings - 1, len(lengths)
    cache, last_tokens = decoder.start(states, lengths), lengths.new_full((rows, 1), end)
    last_tokens = last_tokens if first is None else first[:, None]
    scores, prefixes = states.new_zeros(rows, 1, dtype=torch.float32), lengths.new_zeros(rows, 1, 0)
    ended_by_clip: list[list[tuple[float, tuple[int, ...]]]] = [[] for _ in range(rows)]
    for step in range(int(limit.max()) + 1):
        total = scores[..., None] + sayable(decoder.step(last_tokens, cache).float().log_softmax(-1)).log_softmax(-1)
        _put_aside(ended_by_clip, total[..., end] / (step + 1) ** power, prefixes, limit >= step)
        total[..., end] = -torch.inf
        best = total.flatten(1).topk(min(count, total[0].numel()))
        parents, last_tokens = best.indices // total.shape[-1], best.indices % total.shape[-1]
        scores = best.values
        prefixes = torch.cat([prefixes.gather(1, parents[..., None].expand(-1, -1, step)), last_tokens[..., None]], -1)
        cache.reorder(parents)
        worst = [
            sorted(ranked, reverse=True)[count - 1][0] if len(ranked) >= count else -torch.inf
            for ranked in ended_by_clip
        ]
        best_possible = scores.amax(1) / (limit + 1).to(scores) ** power  # upper bound for the hypotheses that continue
        if all(reached >= possible for reached, possible in zip(worst, best_possible.tolist(), strict=True)):
            break
    return _padded([sorted(ended, reverse=True)[:count] for ended in ended_by_clip], count, lengths)


def _put_aside(ended_by_clip: list, scores: Tensor, prefixes: Tensor, may_end: Tensor) -> None:
    """Add the hypotheses (B, K) that end here with ``scores``, for the clips that ``may_end`` (B,)."""
    clips = zip(scores.tolist(), prefixes.tolist(), may_end.tolist(), strict=True)
    for ended, (clip_scores, clip_prefixes, is_allowed) in zip(ended_by_clip, clips, strict=True):
        ended += [
            (score, tuple(prefix))
            for score, prefix in zip(clip_scores, clip_prefixes, strict=True)
            if is_allowed and score > -torch.inf
        ]


def _padded(ended_by_clip: list, count: int, like: Tensor) -> Hypotheses:
    longest = max(1, *(len(tokens) for hypotheses in ended_by_clip for _, tokens in hypotheses), 1)
    tokens = like.new_full((len(ended_by_clip), count, longest), IGNORE)
    ended = torch.zeros(len(ended_by_clip), count, dtype=torch.bool, device=like.device)
    for row, hypotheses in enumerate(ended_by_clip):
        for rank, (_, text) in enumerate(hypotheses):
            tokens[row, rank, : len(text)], ended[row, rank] = like.new_tensor(text), True
    return Hypotheses(tokens, ended)


def log_probs(decoder: Decoder, states: Tensor, lengths: Tensor, hypotheses: Hypotheses) -> Tensor:
    """Log-probabilities of the tokens and the end, without blank and unknown: (B, K, U + 1), 0 on padding."""
    clips, count, _ = hypotheses.tokens.shape
    tokens_in, targets = shift_tokens(hypotheses.tokens.flatten(0, 1), decoder.embed.num_embeddings - 1)
    logits = decoder(tokens_in, states.repeat_interleave(count, 0), lengths.repeat_interleave(count))
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    log_prob = sayable(exact).log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    steps = (hypotheses.lengths + hypotheses.ended).flatten()
    is_token = length_mask(steps, log_prob.shape[1])
    return log_prob.masked_fill(~is_token, 0.0).view(clips, count, -1)
