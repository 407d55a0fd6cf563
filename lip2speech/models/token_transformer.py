"""A causal language model of a clip's codes, which predicts one step at a time, or several with further heads.

The books are delayed. The visual condition is added at the step that a code belongs to (VoiceCraft-Dub, 2025: only in
the span that is generated). Further head j predicts the step j later from the same state and the condition of that
step. Shapes: B batch, N steps of 50 Hz, C width of the condition, Q books, K codes of each, S positions, W width, J
heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.models.causal import Causal
from lip2speech.models.delay_pattern import NOTHING, Layout, layouts
from lip2speech.models.multi_token import transition_scores
from vsr.core.numbers import COUNT, NOT_NEGATIVE, SHARE, check_numbers
from vsr.models.lengths import sinusoid


@dataclass(frozen=True)
class TokenSizes:
    """Hyperparameters of the network and of its training.

    Args:
        dim, layers, heads, hidden, dropout: of the transformer.
        predictions: J, steps that it predicts at once; 1: only the next.
        infill: share of training clips of which only a span is predicted, given the rest; in others all is predicted.
        span: least and greatest share of a clip that such a span covers.
        weights: of the books' losses; empty: equal.
        transition: lambda, weight of the transition scores in Viterbi decoding.
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
        check_numbers(self, "generator.", "bad_config", infill=SHARE, transition=NOT_NEGATIVE, **sizes)
        if len(self.span) != 2 or not 0 < self.span[0] <= self.span[1] <= 1:
            raise ValueError(f"generator.span is {self.span}; give the least and the greatest share, above 0 to 1")


class TokenTransformer(nn.Module):
    """The language model. ``transitions`` (Q, K, K): log A of consecutive codes, from the training clips."""

    transitions: Tensor

    def __init__(self, settings: TokenSizes, condition: int, books: int, size: int):
        super().__init__()
        self.settings = s = settings
        self.books, self.size = books, size
        self.codes = nn.ModuleList(nn.Embedding(size + 1, s.dim) for _ in range(books))  # the last index: no code
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
        """Estimate the transition scores from the codes (N, Q) of the training clips."""
        for q in range(self.books):
            pairs = torch.cat([torch.stack([codes[:-1, q], codes[1:, q]], 1) for codes in clips])
            self.transitions[q] = transition_scores(pairs, self.size)

    def loss(self, condition: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
        """Mean negative log-likelihood of the target codes: that of the next step, plus the mean of the further
        heads'."""
        lengths = mask.sum(1).tolist()
        order = layouts(lengths, self.books, [self._span(n) for n in lengths])
        order = order.to(codes.device)
        shifted = order.delayed(codes.clamp(min=0), self.size)
        visual = self.visual_at(condition, order)
        states = self.trunk(self.inputs(shifted, visual, order))
        losses = [self._nll(states, shifted, order)]
        for number, head in enumerate(self.ahead, 1):
            later = Layout(*(part[:, number:] for part in (order.times, order.target, order.positions)))
            ahead = states[:, :-number] + head(torch.cat([states[:, :-number], visual[:, number:]], -1))
            losses.append(self._nll(ahead, shifted[:, number:], later, order.target[:, :-number]))
        return losses[0] + (torch.stack(losses[1:]).mean() if len(losses) > 1 else 0.0)

    def _span(self, steps: int) -> tuple[int, int] | None:
        """A random span to be predicted, or None for the whole clip."""
        if float(torch.rand(())) >= self.settings.infill:
            return None
        least, most = self.settings.span
        length = max(1, round(steps * (least + (most - least) * float(torch.rand(())))))
        start = int(torch.randint(0, steps - length + 1, ()))
        return start, start + length

    def _nll(self, states: Tensor, targets: Tensor, order: Layout, was_target: Tensor | None = None) -> Tensor:
        mask = (order.times != NOTHING) & order.target[..., None]
        if was_target is not None:
            mask = mask & was_target[..., None]
        losses = F.cross_entropy(self.logits(states)[mask], targets[mask], reduction="none")
        weights = torch.tensor(self.settings.weights or (1.0,) * self.books, device=losses.device).expand_as(mask)[mask]
        return (losses * weights).sum() / weights.sum().clamp(min=1e-6)

    def logits(self, states: Tensor) -> Tensor:
        """States (..., W) -> (..., Q, K)."""
        return self.output(states).float().unflatten(-1, (self.books, self.size))

    def visual_at(self, condition: Tensor, order: Layout) -> Tensor:
        """The condition (B, N, C) of the steps whose codes stand at each position, summed over books: (B, S, W); zero
        at known codes."""
        projected = self.seen(condition).unflatten(-1, (self.books, -1))  # (B, N, Q, W)
        index = order.times.clamp(min=0)[..., None].expand(*order.times.shape, projected.shape[-1])
        is_shown = (order.times != NOTHING) & order.target[..., None]
        return (projected.gather(1, index) * is_shown[..., None]).sum(-2)

    def inputs(self, codes: Tensor, visual: Tensor, order: Layout) -> Tensor:
        """Input of the trunk at each position (B, S, W): the codes of the previous position, from ``codes`` (B, S, Q),
        and the condition of its own."""
        before = F.pad(codes[:, :-1], (0, 0, 1, 0), value=self.size)
        return (
            self.embed_codes(before) + visual + self.made(order.target.long()) + self.encode_positions(order.positions)
        )

    def embed_codes(self, codes: Tensor) -> Tensor:
        """Sum of the embeddings (..., W) of codes (..., Q)."""
        return sum((embedding(codes[..., q]) for q, embedding in enumerate(self.codes)), torch.zeros(()))

    def encode_positions(self, positions: Tensor) -> Tensor:
        """Sinusoidal position codes (..., S, W) of step indices (..., S)."""
        code = sinusoid(positions.flatten(), self.settings.dim).to(self.output.weight.dtype)
        return code.view(*positions.shape, -1)
