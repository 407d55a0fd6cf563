"""The order in which a language model predicts the codes of a clip: book q is delayed by q positions (MusicGen, Copet
et al. 2023), and a span to be generated comes after all that is known (VoiceCraft, Peng et al. 2024).

Shapes: N steps, Q books, S positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

NOTHING = -1  # in place of a step where a book has no code at a position


@dataclass(frozen=True)
class Layout:
    """times (..., S, Q): the step whose code of each book stands at a position, -1 for none; target (..., S): True
    where codes are to be predicted; places (..., S): index of a position in the clip."""

    times: Tensor
    target: Tensor
    positions: Tensor

    def to(self, device: torch.device) -> Layout:
        """The same on another device."""
        return Layout(self.times.to(device), self.target.to(device), self.positions.to(device))

    def delayed(self, codes: Tensor, nothing: int) -> Tensor:
        """Reorder codes (..., N, Q) into (..., S, Q), with ``nothing`` where there is none."""
        return torch.where(self.times == NOTHING, nothing, codes.gather(-2, self.times.clamp(min=0)))

    def to_steps(self, predicted: Tensor, codes: Tensor) -> Tensor:
        """A copy of codes (N, Q), with the predictions ``predicted`` (S, Q) put back in the order of time."""
        position, book = (self.times != NOTHING).nonzero(as_tuple=True)
        filled = codes.clone()
        filled[self.times[position, book], book] = predicted[position, book]
        return filled


def layout(steps: int, books: int, span: tuple[int, int] | None = None) -> Layout:
    """The order of a clip of ``steps`` steps; ``span``: the steps to be predicted, by default all."""
    first, last = span or (0, steps)
    parts = [(0, first, False), (last, steps, False), (first, last, True)]
    times, target, places = [], [], []
    for start, stop, is_target in parts:
        if stop > start:
            positions = torch.arange(start, stop + books - 1)
            times_here = positions[:, None] - torch.arange(books)
            times.append(torch.where((times_here >= start) & (times_here < stop), times_here, NOTHING))
            target.append(torch.full((len(positions),), is_target))
            places.append(positions)
    return Layout(torch.cat(times), torch.cat(target), torch.cat(places))


def layouts(lengths: Sequence[int], books: int, spans: Sequence[tuple[int, int] | None]) -> Layout:
    """The orders of a batch, padded with positions that have no codes and are no targets."""
    clips = [layout(length, books, span) for length, span in zip(lengths, spans, strict=True)]
    return Layout(
        pad_sequence([x.times for x in clips], True, NOTHING), pad_sequence([x.target for x in clips], True),
        pad_sequence([x.positions for x in clips], True),
    )  # fmt: skip
