"""Heads of one of two fused models, over the concatenated states of both; ``own`` selects the part of the model.

Shapes: B batch, T frames, P and L the widths of the two readers.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from vsr.models.decoder import Decoder, DecoderCache
from vsr.text.hypothesis import Hypothesis


class PartHead:
    """Search by a head of one of the two models; a clip whose part of the states is zero has no hypothesis."""

    def __init__(self, head: nn.Module, select: Callable[[Tensor], Tensor]):
        self._head, self._select = head, select

    def search(self, states: Tensor, lengths: Tensor, nbest: int = 1) -> list[list[Hypothesis]]:
        """States (B, T, P + L), lengths (B,) -> hypotheses of each clip, best first."""
        part = self._select(states)
        has_input = (part != 0).flatten(1).any(1).tolist()
        nbest_lists = self._head.search(part, lengths, nbest)
        return [ranked if is_read else [] for ranked, is_read in zip(nbest_lists, has_input, strict=True)]


class PartDecoder:
    """The interface of `vsr.models.decoder.Decoder`, for joined states; the decoder reads its model's part of them."""

    def __init__(self, decoder: Decoder, select: Callable[[Tensor], Tensor]):
        self._decoder, self._select = decoder, select
        self.step = decoder.step

    def __call__(self, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """As `vsr.models.decoder.Decoder.forward`."""
        return self._decoder(tokens, self._select(states), lengths)

    def cross_attention(self, tokens: Tensor, states: Tensor, lengths: Tensor) -> Tensor:
        """As `vsr.models.decoder.Decoder.cross_attention`."""
        return self._decoder.cross_attention(tokens, self._select(states), lengths)

    def start(self, states: Tensor, lengths: Tensor) -> DecoderCache:
        """As `vsr.models.decoder.Decoder.start`."""
        return self._decoder.start(self._select(states), lengths)
