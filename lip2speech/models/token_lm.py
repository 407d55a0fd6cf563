"""A causal language model of the codes of a clip: one step after the other, or several at once by further heads.

Books are delayed; what is seen is added at the step that a code is of (VoiceCraft-Dub, 2025: only in the span that is
made); a further head says the step so many later from the same state, and from what is seen there. Shapes: B batch, N
steps of 50 Hz, C width of the condition, Q books, K codes of each, S positions, W width, J heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.models.causal import Causal, Past
from lip2speech.models.delay import NOTHING, Layout, layout, layouts
from lip2speech.models.generators import GENERATORS, Given
from lip2speech.models.multi_token import accepted, transition_scores, viterbi
from lip2speech.models.token_options import GREEDY, VITERBI, TokenOptions
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SHARE, check_numbers
from vsr.models.lengths import sinusoid


@GENERATORS.register("lm")
@dataclass(frozen=True)
class TokenLMSettings:
    """A language model.

    Args:
        dim, layers, heads, hidden, dropout: of the transformer.
        predictions: J, steps that it says at once; 1: the next alone.
        infill: share of training clips of which a span is to be made after the rest; the others whole.
        span: least and greatest share of a clip that such a span is.
        weights: of the books' losses; none: equal.
        transition: lambda of the best path.
    """

    dim: int = 192
    layers: int = 3
    heads: int = 4
    hidden: int = 768
    dropout: float = 0.1
    predictions: int = 1
    infill: float = 0.0
    span: tuple[float, ...] = (0.2, 0.9)
    weights: tuple[float, ...] = ()
    transition: float = 0.3

    def __post_init__(self):
        for name in ("span", "weights"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        sizes = dict.fromkeys(("dim", "layers", "heads", "hidden", "predictions"), COUNT)
        check_numbers(self, "generator.", infill=SHARE, transition=NOT_NEGATIVE, **sizes)
        if len(self.span) != 2 or not 0 < self.span[0] <= self.span[1] <= 1:
            raise ValueError(f"generator.span is {self.span}; give the least and the greatest share, above 0 to 1")

    def build(self, condition: int, books: int, size: int) -> nn.Module:
        """Its module. Raises ValueError."""
        if self.weights and len(self.weights) != books:
            raise ValueError(f"generator.weights are {len(self.weights)} for {books} books")
        return TokenLM(self, condition, books, size)


class TokenLM(nn.Module):
    """See the module. ``transitions`` (Q, K, K): log A of neighbouring codes, from the training clips."""

    transitions: Tensor

    def __init__(self, settings: TokenLMSettings, condition: int, books: int, size: int):
        super().__init__()
        self.settings = s = settings
        self.books, self.size = books, size
        self.codes = nn.ModuleList(nn.Embedding(size + 1, s.dim) for _ in range(books))  # the last: nothing
        self.seen = nn.Linear(condition, books * s.dim)
        self.made = nn.Embedding(2, s.dim)
        self.trunk = Causal(s.dim, s.layers, s.heads, s.hidden, s.dropout)
        self.ahead = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * s.dim, s.dim), nn.GELU(), nn.Linear(s.dim, s.dim))
            for _ in range(s.predictions - 1)
        )
        self.output = nn.Linear(s.dim, books * size)
        self.register_buffer("transitions", torch.zeros(books, size, size))

    def learn_transitions(self, clips: Sequence[Tensor]) -> None:
        """Count what follows what in the codes (N, Q) of the training clips."""
        for q in range(self.books):
            pairs = torch.cat([torch.stack([own[:-1, q], own[1:, q]], 1) for own in clips])
            self.transitions[q] = transition_scores(pairs, self.size)

    def loss(self, condition: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
        """Negative log-likelihood of the codes of targets, a mean over them: the next step's, and the mean of what the
        further heads say."""
        lengths = mask.sum(1).tolist()
        order = layouts(lengths, self.books, [self._span(n) for n in lengths])
        order = order.to(codes.device)
        said = order.codes(codes.clamp(min=0), self.size)
        seen = self.seen_at(condition, order)
        states = self.trunk(self.inputs(said, seen, order))
        losses = [self._nll(states, said, order)]
        for number, head in enumerate(self.ahead, 1):
            later = Layout(*(own[:, number:] for own in (order.times, order.target, order.places)))
            ahead = states[:, :-number] + head(torch.cat([states[:, :-number], seen[:, number:]], -1))
            losses.append(self._nll(ahead, said[:, number:], later, order.target[:, :-number]))
        return losses[0] + (torch.stack(losses[1:]).mean() if len(losses) > 1 else 0.0)

    def _span(self, steps: int) -> tuple[int, int] | None:
        """A span that is to be made, or None for all."""
        if float(torch.rand(())) >= self.settings.infill:
            return None
        least, most = self.settings.span
        length = max(1, round(steps * (least + (most - least) * float(torch.rand(())))))
        start = int(torch.randint(0, steps - length + 1, ()))
        return start, start + length

    def _nll(self, states: Tensor, said: Tensor, order: Layout, begun: Tensor | None = None) -> Tensor:
        real = (order.times != NOTHING) & order.target[..., None]
        if begun is not None:
            real = real & begun[..., None]
        losses = F.cross_entropy(self.logits(states)[real], said[real], reduction="none")
        weights = torch.tensor(self.settings.weights or (1.0,) * self.books, device=losses.device).expand_as(real)[real]
        return (losses * weights).sum() / weights.sum().clamp(min=1e-6)

    def logits(self, states: Tensor) -> Tensor:
        """States (..., W) -> (..., Q, K)."""
        return self.output(states).float().unflatten(-1, (self.books, self.size))

    def seen_at(self, condition: Tensor, order: Layout) -> Tensor:
        """What is seen, (B, N, C), at the steps whose codes stand at each position: (B, S, W); nothing of what is known
        already."""
        each = self.seen(condition).unflatten(-1, (self.books, -1))  # (B, N, Q, W)
        index = order.times.clamp(min=0)[..., None].expand(*order.times.shape, each.shape[-1])
        shown = (order.times != NOTHING) & order.target[..., None]
        return (each.gather(1, index) * shown[..., None]).sum(-2)

    def inputs(self, said: Tensor, seen: Tensor, order: Layout) -> Tensor:
        """What the trunk is given at each position (B, S, W): the codes of the position before it, said (B, S, Q), and
        what is seen at its own."""
        before = F.pad(said[:, :-1], (0, 0, 1, 0), value=self.size)
        return self.embedded(before) + seen + self.made(order.target.long()) + self._places(order.places)

    def embedded(self, said: Tensor) -> Tensor:
        """Codes (..., Q) -> (..., W)."""
        return sum((own(said[..., q]) for q, own in enumerate(self.codes)), torch.zeros(()))

    def _places(self, places: Tensor) -> Tensor:
        code = sinusoid(places.flatten(), self.settings.dim).to(self.output.weight.dtype)
        return code.view(*places.shape, -1)

    @torch.no_grad()
    def sample(self, condition: Tensor, options: TokenOptions, seed: int, given: Given | None = None) -> Tensor:
        """The codes (N, Q) of one clip, condition (N, C); nothing is drawn at random, so the seed is not used.

        Raises VsrError bad_options for more heads than there are; ValueError where what is not given is no one span.
        """
        return Decoding(self, condition, options, given).run()


class Decoding:
    """Of one clip. ``rounds`` counts how often the trunk was asked, once it has run."""

    def __init__(self, model: TokenLM, condition: Tensor, options: TokenOptions, given: Given | None = None):
        self.model, self.options = model, options
        self.heads = self._heads(options.heads)
        device, steps = condition.device, len(condition)
        nothing = torch.zeros(steps, model.books, dtype=torch.long, device=device)
        self.known = nothing if given is None else given.codes
        self.order = layout(steps, model.books, None if given is None else span_of(given.known)).to(device)
        self.seen = model.seen_at(condition[None], self._batched())[0]
        self.rest = model.made(self.order.target.long()) + model._places(self.order.places)
        self.nothing = self.order.times == NOTHING
        self.said = self.order.codes(self.known, model.size)
        self.rounds = 0

    def _batched(self) -> Layout:
        return Layout(self.order.times[None], self.order.target[None], self.order.places[None])

    def _heads(self, asked: int) -> int:
        most = 1 + len(self.model.ahead)
        if asked > most:
            raise VsrError("bad_options", f"--heads {asked}: this token model has {most}")
        return 1 if self.options.decode == GREEDY else asked or most

    def run(self) -> Tensor:
        """All codes (N, Q)."""
        total, past = len(self.said), Past(len(self.model.trunk.layers))
        done = int((~self.order.target).sum())  # positions that are known
        state = self._states(0, done + 1, past)[-1]
        while done < total:
            count = min(self.heads, total - done)
            self.said[done : done + count] = self._drafted(state, done, count)
            if done + count == total and count == 1:
                break
            states = self._states(done + 1, min(done + count + 1, total), past)
            if self.options.decode not in (GREEDY, VITERBI):
                count = self._accepted(states, done, count)
                past.cut(done + count + 1)
            done += count
            state = states[count - 1] if count <= len(states) else None
        return self.order.back(self.said, self.known)

    def _states(self, first: int, last: int, past: Past) -> Tensor:
        """States (S, W) of positions, each of which knows the codes before it."""
        self.rounds += 1
        before = F.pad(self.said, (0, 0, 1, 0), value=self.model.size)[first:last]
        given = self.model.embedded(before) + self.seen[first:last] + self.rest[first:last]
        return self.model.trunk(given[None], past)[0]

    def _drafted(self, state: Tensor, done: int, count: int) -> Tensor:
        """Codes (J, Q) of so many positions from ``done`` on, by the state of the first."""
        states = [state]
        for number, head in enumerate(self.model.ahead[: count - 1], 1):
            states.append(state + head(torch.cat([state, self.seen[done + number]])))
        scores = self.model.logits(torch.stack(states)).log_softmax(-1)
        if self.options.decode == VITERBI:
            before = self.said[done - 1] if done else torch.full_like(self.said[0], self.model.size)
            found = viterbi(scores, self.model.transitions, before, self.model.settings.transition)
        else:
            found = scores.argmax(-1)
        return found.masked_fill(self.nothing[done : done + count], self.model.size)

    def _accepted(self, states: Tensor, done: int, count: int) -> int:
        """How many of the drafted positions greedy decoding would have given; the first always is one."""
        greedy = self.model.logits(states[: count - 1]).argmax(-1)
        greedy = greedy.masked_fill(self.nothing[done + 1 : done + count], self.model.size)
        return 1 + accepted(self.said[done + 1 : done + count], greedy)


def span_of(known: Tensor) -> tuple[int, int]:
    """The one span of a clip that is not known, (N,) -> (first, after the last). Raises ValueError."""
    unknown = (~known).nonzero()[:, 0]
    first, last = (int(unknown[0]), int(unknown[-1]) + 1) if len(unknown) else (0, 0)
    if last - first != len(unknown) or not len(unknown):
        raise ValueError("what is to be made must be one span")
    return first, last
