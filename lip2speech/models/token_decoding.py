"""Decodes the codes of a clip with a token transformer: greedy, verified multi-token, or Viterbi over several heads.

Shapes: N steps of 50 Hz, Q books, K codes of each, S positions, W width, J heads.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from lip2speech.models.causal import KeyValueCache
from lip2speech.models.delay_pattern import NOTHING, Layout, layout
from lip2speech.models.generators import KnownCodes
from lip2speech.models.multi_token import num_accepted, viterbi
from lip2speech.models.token_options import GREEDY, VITERBI, TokenOptions
from lip2speech.models.token_transformer import TokenTransformer
from vsr.core.errors import VsrError


class Decoding:
    """Decoding of one clip. ``rounds``: number of evaluations of the trunk, once it has run."""

    def __init__(
        self, model: TokenTransformer, condition: Tensor, options: TokenOptions, known_codes: KnownCodes | None = None
    ):
        self.model, self.options = model, options
        self.heads = self._heads(options.heads)
        device, steps = condition.device, len(condition)
        no_codes = torch.zeros(steps, model.books, dtype=torch.long, device=device)
        self.initial_codes = no_codes if known_codes is None else known_codes.codes
        span = None if known_codes is None else unknown_span(known_codes.is_known)
        self.order = layout(steps, model.books, span).to(device)
        self.visual = model.visual_at(condition[None], self._batched())[0]
        self.position_embeddings = model.made(self.order.target.long()) + model.encode_positions(self.order.positions)
        self.is_empty = self.order.times == NOTHING
        self.codes = self.order.delayed(self.initial_codes, model.size)
        self.rounds = 0

    def _batched(self) -> Layout:
        return Layout(self.order.times[None], self.order.target[None], self.order.positions[None])

    def _heads(self, requested: int) -> int:
        available = 1 + len(self.model.ahead)
        if requested > available:
            raise VsrError("bad_options", f"--heads {requested}: this token model has {available}")
        return 1 if self.options.decode == GREEDY else requested or available

    def run(self) -> Tensor:
        """Decode all codes (N, Q)."""
        total, past = len(self.codes), KeyValueCache(len(self.model.trunk.layers))
        done = int((~self.order.target).sum())  # positions that are known
        state = self._states(0, done + 1, past)[-1]
        while done < total:
            count = min(self.heads, total - done)
            self.codes[done : done + count] = self._draft(state, done, count)
            if done + count == total and count == 1:
                break
            states = self._states(done + 1, min(done + count + 1, total), past)
            if self.options.decode not in (GREEDY, VITERBI):
                count = self._num_accepted(states, done, count)
                past.truncate(done + count + 1)
            done += count
            state = states[count - 1] if count <= len(states) else None
        return self.order.to_steps(self.codes, self.initial_codes)

    def _states(self, first: int, last: int, past: KeyValueCache) -> Tensor:
        """States (S, W) of positions ``first`` to ``last``, each from the codes before it."""
        self.rounds += 1
        before = F.pad(self.codes, (0, 0, 1, 0), value=self.model.size)[first:last]
        inputs = self.model.embed_codes(before) + self.visual[first:last] + self.position_embeddings[first:last]
        return self.model.trunk(inputs[None], past)[0]

    def _draft(self, state: Tensor, done: int, count: int) -> Tensor:
        """Draft codes (J, Q) of ``count`` positions from ``done`` on, from the state of the first."""
        states = [state]
        for number, head in enumerate(self.model.ahead[: count - 1], 1):
            states.append(state + head(torch.cat([state, self.visual[done + number]])))
        scores = self.model.logits(torch.stack(states)).log_softmax(-1)
        if self.options.decode == VITERBI:
            before = self.codes[done - 1] if done else torch.full_like(self.codes[0], self.model.size)
            codes = viterbi(scores, self.model.transitions, before, self.model.settings.transition)
        else:
            codes = scores.argmax(-1)
        return codes.masked_fill(self.is_empty[done : done + count], self.model.size)

    def _num_accepted(self, states: Tensor, done: int, count: int) -> int:
        """Number of drafted positions that agree with greedy decoding; the first always does."""
        greedy = self.model.logits(states[: count - 1]).argmax(-1)
        greedy = greedy.masked_fill(self.is_empty[done + 1 : done + count], self.model.size)
        return 1 + num_accepted(self.codes[done + 1 : done + count], greedy)


def unknown_span(is_known: Tensor) -> tuple[int, int]:
    """The only unknown span of a clip: known (N,) -> (first, last + 1). Raises ValueError where it is not one span."""
    unknown = (~is_known).nonzero()[:, 0]
    first, last = (int(unknown[0]), int(unknown[-1]) + 1) if len(unknown) else (0, 0)
    if last - first != len(unknown) or not len(unknown):
        raise ValueError("what is to be made must be one span")
    return first, last
