"""A token model: generates the codec codes of a mel from the output of the content model, instead of the flow.

It belongs to an acoustic model, whose content model gives its condition. Shapes: B batch, N steps of 50 Hz, P = 160, C
width of the flow's condition, Q books.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from lip2speech.models.codec import Codec
from lip2speech.models.content import PAIR
from lip2speech.models.generators import KnownCodes, generator_of
from lip2speech.models.token_options import TokenOptions
from vsr.core.numbers import COUNT
from vsr.models.limits import check_sizes


@dataclass(frozen=True)
class TokenConfig:
    """Hyperparameters of a token model.

    Args:
        condition: C, of the acoustic model that it belongs to.
        books, size: of the codec.
        generator: {kind: lm, masked or discrete_flow, its settings} (`lip2speech.models.generators`).
    """

    condition: int
    books: int = 4
    size: int = 256
    generator: dict[str, Any] = field(default_factory=lambda: {"kind": "lm"})

    def __post_init__(self):
        check_sizes(self, condition=COUNT, books=COUNT, size=COUNT)
        generator_of(self.generator)


class TokenModel(nn.Module):
    """A codec and the generator of its codes."""

    def __init__(self, config: TokenConfig):
        super().__init__()
        self.config = c = config
        self.codec = Codec(c.books, c.size, PAIR)
        self.generator = generator_of(c.generator).build(c.condition, c.books, c.size)

    def loss(self, batch) -> dict[str, Tensor]:
        """The generator's loss of a `lip2speech.training.tokens.TokenBatch`."""
        loss = self.generator.loss(batch.condition, batch.codes, batch.mask)
        return {"loss": loss * batch.share("steps")}

    @torch.inference_mode()
    def pairs(
        self, condition: Tensor, mask: Tensor, options: TokenOptions, seeds: Sequence[int],
        known_codes: Sequence[KnownCodes | None] | None = None,
    ) -> Tensor:  # fmt: skip
        """Mel pairs (B, N, P), zero on padding, of condition (B, N, C) and mask (B, N); clips are generated one by
        one."""
        pairs = condition.new_zeros(*mask.shape, PAIR)
        for row, (length, seed) in enumerate(zip(mask.sum(1).tolist(), seeds, strict=True)):
            codes_of_clip = known_codes[row] if known_codes else None
            codes = self.generator.sample(condition[row, :length], options, seed, codes_of_clip)
            pairs[row, :length] = self.codec.decode(codes)
        return pairs
