"""Hypotheses of an attention decoder for training: sampled or searched without gradient, then scored with it.

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
    """tokens (B, K, U), padded with -1, without the end; ended (B, K): whether they came to one within the limit."""

    tokens: Tensor
    ended: Tensor

    @property
    def lengths(self) -> Tensor:
        """(B, K)."""
        return (self.tokens != IGNORE).sum(-1)

    def lists(self) -> list[list[list[int]]]:
        """Tokens of each hypothesis of each clip."""
        return [
            [tokens[:count] for tokens, count in zip(own, counts, strict=True)]
            for own, counts in zip(self.tokens.tolist(), self.lengths.tolist(), strict=True)
        ]


@contextmanager
def attended(decoder: Decoder) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """While it is open, states (B, T, D) and lengths (B,) of every pass of the decoder."""
    found: list[tuple[Tensor, Tensor]] = []
    handle = decoder.register_forward_pre_hook(lambda own, given: found.append((given[1], given[2])))
    try:
        yield found
    finally:
        handle.remove()


def sayable(logits: Tensor) -> Tensor:
    """Logits (..., V) without blank and unknown, which no text has."""
    return logits.index_fill(-1, torch.tensor([BLANK, UNK], device=logits.device), -torch.inf)


@torch.no_grad()
def drawn(decoder: Decoder, states: Tensor, lengths: Tensor, count: int, limit: Tensor) -> Hypotheses:
    """``count`` samples of each clip by the decoder's own probabilities, of at most ``limit`` (B,) tokens."""
    end = decoder.embed.num_embeddings - 1
    cache, last = decoder.start(states, lengths), lengths.new_full((len(lengths), count), end)
    running = torch.ones_like(last, dtype=torch.bool)
    ended, steps = torch.zeros_like(running), []
    for place in range(int(limit.max()) + 1):
        logs = sayable(decoder.step(last, cache).float())
        last = torch.multinomial(logs.softmax(-1).flatten(0, 1), 1).view_as(last)
        ended |= running & (last == end)
        running &= (last != end) & (place < limit)[:, None]
        steps.append(torch.where(running, last, IGNORE))
        if not running.any():
            break
    return Hypotheses(torch.stack(steps, -1), ended)


@torch.no_grad()
def searched(
    decoder: Decoder, states: Tensor, lengths: Tensor, count: int, limit: Tensor, first: Tensor | None = None,
    power: float = 0.0,
) -> Hypotheses:  # fmt: skip
    """The ``count`` best of each clip by beam search with the decoder alone, best first; ``ended`` is False where
    the search found fewer. ``first`` (B,): the token that each begins with, such as a language's; None: the end's.
    What has ended is ranked by its log-probability over the number of its tokens, the end among them, to the ``power``:
    0, the likeliest, which of long sequences are those that break off; 1, by the mean."""
    end, rows = decoder.embed.num_embeddings - 1, len(lengths)
    cache, last = decoder.start(states, lengths), lengths.new_full((rows, 1), end)
    last = last if first is None else first[:, None]
    scores, past = states.new_zeros(rows, 1, dtype=torch.float32), lengths.new_zeros(rows, 1, 0)
    done: list[list[tuple[float, tuple[int, ...]]]] = [[] for _ in range(rows)]
    for place in range(int(limit.max()) + 1):
        total = scores[..., None] + sayable(decoder.step(last, cache).float().log_softmax(-1)).log_softmax(-1)
        _put_aside(done, total[..., end] / (place + 1) ** power, past, limit >= place)
        total[..., end] = -torch.inf
        best = total.flatten(1).topk(min(count, total[0].numel()))
        parents, last = best.indices // total.shape[-1], best.indices % total.shape[-1]
        scores = best.values
        past = torch.cat([past.gather(1, parents[..., None].expand(-1, -1, place)), last[..., None]], -1)
        cache.reorder(parents)
        worst = [sorted(own, reverse=True)[count - 1][0] if len(own) >= count else -torch.inf for own in done]
        may_be = scores.amax(1) / (limit + 1).to(scores) ** power  # at most, of what goes on
        if all(low >= high for low, high in zip(worst, may_be.tolist(), strict=True)):
            break
    return _padded([sorted(own, reverse=True)[:count] for own in done], count, lengths)


def _put_aside(done: list, ends: Tensor, past: Tensor, may: Tensor) -> None:
    """Add the hypotheses (B, K) that end here with the scores ``ends``."""
    kept = zip(ends.tolist(), past.tolist(), may.tolist(), strict=True)
    for own, (scores, tokens, within) in zip(done, kept, strict=True):
        own += [(score, tuple(one)) for score, one in zip(scores, tokens, strict=True) if within and score > -torch.inf]


def _padded(found: list, count: int, like: Tensor) -> Hypotheses:
    longest = max(1, *(len(tokens) for own in found for _, tokens in own), 1)
    tokens = like.new_full((len(found), count, longest), IGNORE)
    ended = torch.zeros(len(found), count, dtype=torch.bool, device=like.device)
    for row, own in enumerate(found):
        for place, (_, said) in enumerate(own):
            tokens[row, place, : len(said)], ended[row, place] = like.new_tensor(said), True
    return Hypotheses(tokens, ended)


def log_probs(decoder: Decoder, states: Tensor, lengths: Tensor, found: Hypotheses) -> Tensor:
    """Log-probability of each token and of the end, among what can be said: (B, K, U + 1), 0 where there is none."""
    clips, count, _ = found.tokens.shape
    tokens_in, targets = shift_tokens(found.tokens.flatten(0, 1), decoder.embed.num_embeddings - 1)
    logits = decoder(tokens_in, states.repeat_interleave(count, 0), lengths.repeat_interleave(count))
    exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logs = sayable(exact).log_softmax(-1).gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    steps = (found.lengths + found.ended).flatten()
    real = length_mask(steps, logs.shape[1])
    return logs.masked_fill(~real, 0.0).view(clips, count, -1)
