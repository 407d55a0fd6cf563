"""The generator "lm": a causal language model of a clip's codes (`TokenTransformer`), decoded by `Decoding`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lip2speech.models.generators import GENERATORS, KnownCodes
from lip2speech.models.token_decoding import Decoding
from lip2speech.models.token_options import TokenOptions
from lip2speech.models.token_transformer import TokenSizes, TokenTransformer


@GENERATORS.register("lm")
@dataclass(frozen=True)
class TokenLMSettings(TokenSizes):
    """Settings of the language model."""

    def build(self, condition: int, books: int, size: int) -> nn.Module:
        """Build the module. Raises ValueError."""
        if self.weights and len(self.weights) != books:
            raise ValueError(f"generator.weights are {len(self.weights)} for {books} books")
        return TokenLM(self, condition, books, size)


class TokenLM(TokenTransformer):
    """The generator of the kind "lm"."""

    @torch.no_grad()
    def sample(
        self, condition: Tensor, options: TokenOptions, seed: int, known_codes: KnownCodes | None = None
    ) -> Tensor:
        """The codes (N, Q) of one clip with condition (N, C); deterministic, so the seed is not used.

        Raises VsrError bad_options for more heads than the model has; ValueError unless the unknown steps are one span.
        """
        return Decoding(self, condition, options, known_codes).run()
