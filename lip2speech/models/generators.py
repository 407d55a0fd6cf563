"""Registry and interface of token generators, which generate a clip's codes from the output of the content model.

A kind is a frozen dataclass of plain numbers with ``build(condition, books, size)``, which gives a module with

- ``loss(condition, codes, mask)``: mean negative log-likelihood of a training batch;
- ``sample(condition, options, seed, given)``: the codes of one clip.

Shapes: B batch, N steps of 50 Hz, C width of the condition, Q books, K codes of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from lip2speech.models.token_options import TokenOptions
from vsr.core.registry import Registry
from vsr.models.registry import settings_of, split_kind


@dataclass(frozen=True)
class KnownCodes:
    """Known codes: codes (N, Q); is_known (N,): True where they are known."""

    codes: Tensor
    is_known: Tensor


class Generator(Protocol):
    """A module that generates tokens."""

    def loss(self, condition: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
        """Scalar loss; condition (B, N, C), codes (B, N, Q), mask (B, N) True on real steps."""
        ...

    def sample(
        self, condition: Tensor, options: TokenOptions, seed: int, known_codes: KnownCodes | None = None
    ) -> Tensor:
        """Codes (N, Q) of one clip with condition (N, C); given codes are kept."""
        ...


class GeneratorSettings(Protocol):
    """A kind of generator."""

    def build(self, condition: int, books: int, size: int) -> nn.Module: ...


GENERATORS: Registry[type[GeneratorSettings]] = Registry(
    "generator", "lip2speech.generators", "lip2speech.models.generator_kinds"
)


def generator_of(config: Mapping[str, Any]) -> GeneratorSettings:
    """The settings of a model's ``generator``. Raises ValueError for unknown kinds or settings."""
    kind, settings = split_kind(config, "generator")
    return settings_of(GENERATORS, kind, settings)
