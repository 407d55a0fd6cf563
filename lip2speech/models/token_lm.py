"""A causal language model of the codes of a clip: `TokenTransformer`, asked as `Decoding` does."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lip2speech.models.generators import GENERATORS, Given
from lip2speech.models.token_decoding import Decoding
from lip2speech.models.token_options import TokenOptions
from lip2speech.models.token_transformer import TokenSizes, TokenTransformer


@GENERATORS.register("lm")
@dataclass(frozen=True)
class TokenLMSettings(TokenSizes):
    """A language model."""

    def build(self, condition: int, books: int, size: int) -> nn.Module:
        """Its module. Raises ValueError."""
        if self.weights and len(self.weights) != books:
            raise ValueError(f"generator.weights are {len(self.weights)} for {books} books")
        return TokenLM(self, condition, books, size)


class TokenLM(TokenTransformer):
    """The generator of the kind "lm"."""

    @torch.no_grad()
    def sample(self, condition: Tensor, options: TokenOptions, seed: int, given: Given | None = None) -> Tensor:
        """The codes (N, Q) of one clip, condition (N, C); nothing is drawn at random, so the seed is not used.

        Raises VsrError bad_options for more heads than there are; ValueError where what is not given is no one span.
        """
        return Decoding(self, condition, options, given).run()
