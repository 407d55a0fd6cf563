"""Heads of one of two readers over the states of both, side by side; ``own`` takes the reader's part of them.

Shapes: B batch, T frames, P and L the widths of the two readers.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from vsr.models.decoder import Decoder, DecoderCache
from vsr.text.hypothesis import Hypothesis


class PartHead:
    """The search of a head of one of the two readers over joined states; a clip without its part has no hypothesis."""

    def __init__(self, head: nn.Module, own: Callable[[Tensor], Tensor]):
        self._head, self._own = head, own

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """States (B, T, P + L), lengths (B,) -> for each clip its hypotheses, best first."""
        own = self._own(states)
        there = (own != 0).flatten(1).any(1).tolist()
        found = self._head.search(own, lengths, nbest)
        return [ranked if seen else [] for ranked, seen in zip(found, there, strict=True)]


class PartDecoder:
    """The interface of `vsr.models.decoder.Decoder` over joined states, of which it sees the reader's own part."""

    def __init__(self, decoder: Decoder, own: Callable[[Tensor], Tensor]):
        self._decoder, self._own = decoder, own
        self.step = decoder.step

    def __call__(self, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """As `vsr.models.decoder.Decoder.forward`."""
        return self._decoder(tokens, self._own(states), lengths)

    def cross_attention(self, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """As `vsr.models.decoder.Decoder.cross_attention`."""
        return self._decoder.cross_attention(tokens, self._own(states), lengths)

    def start(self, states: Tensor, lengths: Tensor) -> DecoderCache:
        """As `vsr.models.decoder.Decoder.start`."""
        return self._decoder.start(self._own(states), lengths)
