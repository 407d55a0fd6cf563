"""In which order a language model says the codes of a clip: book q is q positions late (MusicGen's delay, Copet et al.
2023), and a span that is to be made comes after all that is known (VoiceCraft, Peng et al. 2024).

Shapes: N steps, Q books, S positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

NOTHING = -1  # stands where a book says nothing at a position


@dataclass(frozen=True)
class Layout:
    """times (..., S, Q): the step whose code of each book stands at a position, -1 for none; target (..., S) True where
    codes are to be made; places (..., S): where in the clip a position is."""

    times: Tensor
    target: Tensor
    places: Tensor

    def to(self, device: torch.device) -> Layout:
        """The same on another device."""
        return Layout(self.times.to(device), self.target.to(device), self.places.to(device))

    def codes(self, codes: Tensor, nothing: int) -> Tensor:
        """Codes (..., N, Q) in this order, (..., S, Q); ``nothing`` where there is none."""
        return torch.where(self.times == NOTHING, nothing, codes.gather(-2, self.times.clamp(min=0)))

    def back(self, said: Tensor, codes: Tensor) -> Tensor:
        """codes (N, Q) with what was said, (S, Q), in its place."""
        position, book = (self.times != NOTHING).nonzero(as_tuple=True)
        made = codes.clone()
        made[self.times[position, book], book] = said[position, book]
        return made


def layout(steps: int, books: int, span: tuple[int, int] | None = None) -> Layout:
    """The order of a clip of so many steps; ``span``: the steps that are to be made, all where it is not given."""
    first, last = span or (0, steps)
    parts = [(0, first, False), (last, steps, False), (first, last, True)]
    times, target, places = [], [], []
    for start, stop, made in parts:
        if stop > start:
            own = torch.arange(start, stop + books - 1)
            each = own[:, None] - torch.arange(books)
            times.append(torch.where((each >= start) & (each < stop), each, NOTHING))
            target.append(torch.full((len(own),), made))
            places.append(own)
    return Layout(torch.cat(times), torch.cat(target), torch.cat(places))


def layouts(lengths: Sequence[int], books: int, spans: Sequence[tuple[int, int] | None]) -> Layout:
    """Of a batch, padded with positions that say nothing and are no target."""
    each = [layout(length, books, span) for length, span in zip(lengths, spans, strict=True)]
    return Layout(
        pad_sequence([own.times for own in each], True, NOTHING), pad_sequence([own.target for own in each], True),
        pad_sequence([own.places for own in each], True),
    )  # fmt: skip
