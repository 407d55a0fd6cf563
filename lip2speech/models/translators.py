"""Registry and common parts of the models that translate speech units into those of another language.

A kind is a frozen dataclass, a `TranslatorSizes` with ``learns`` (a line for a dry run) and ``build()``, which gives a
`UnitReader` with

- ``loss(batch)``: losses of a `UnitPairs` by name, the total as "loss";
- ``missed(batch)``: numbers of wrong units and of all units (for a dev list);
- ``translate(source, lengths, language, same)``: a `Translated` for each clip.

Shapes: B clips, T video frames, N = 2T steps of 50 Hz, U target units without repetitions, K units, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lip2speech.models.parts import load_part
from vsr.core.clock import UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.numbers import COUNT
from vsr.core.registry import Registry
from vsr.core.tokens import IGNORE, UNK
from vsr.data.batch import Counted
from vsr.models.conformer import Conformer
from vsr.models.lengths import length_mask
from vsr.models.limits import DROPPED, check_heads, check_sizes
from vsr.models.unit_bridge import UnitEmbedding
from vsr.modelstore.checkpoint import read_config

FIRST = UNK + 1  # token of unit 0
KIND, AUTOREGRESSIVE = "kind", "autoregressive"  # key of a configuration, and its default


@dataclass(frozen=True)
class TranslatorSizes:
    """Hyperparameters of every kind; ``units``: K of the codebook; ``languages``: in the order of their tokens."""

    languages: tuple[str, ...] = ()
    units: int = 200
    dim: int = 192
    heads: int = 4
    hidden: int = 576
    kernel: int = 15
    layers: int = 3
    decoder_layers: int = 3
    dropout: float = 0.1

    def __post_init__(self):
        object.__setattr__(self, "languages", tuple(self.languages))
        counts = ("units", "dim", "heads", "hidden", "kernel", "layers", "decoder_layers")
        check_sizes(self, **dict.fromkeys(counts, COUNT), dropout=DROPPED)
        check_heads("dim", self.dim, "heads", self.heads)
        if not self.languages or len(set(self.languages)) < len(self.languages):
            raise ValueError("languages must be given, each once")

    @property
    def vocab_size(self) -> int:
        """Number of tokens: blank, unknown, units, languages, end."""
        return FIRST + self.units + len(self.languages) + 1

    def token_of(self, language: str) -> int:
        """Token of a target language."""
        return FIRST + self.units + self.languages.index(language)


class Kind(Protocol):
    """A kind of translator, as in the registry."""

    learns: str

    def build(self) -> UnitReader: ...


TRANSLATORS: Registry[type[Any]] = Registry(
    "model.kind", "lip2speech.translators", "lip2speech.models.translator_kinds"
)


def load_translator(folder: str | Path) -> Any:
    """Load the translator of a folder, of any kind. Raises VsrError bad_model."""
    name = read_config(Path(folder)).get(KIND, AUTOREGRESSIVE)
    try:
        kind = TRANSLATORS[name]
    except (TypeError, ValueError) as error:
        raise VsrError("bad_model", f"{folder}: {error}") from error
    return load_part(folder, kind.build, kind)[0]


@dataclass
class UnitPairs(Counted):
    """source (B, T, 2) units; lengths (B,) video frames; tokens (B, U), padded with -1; steps (B, U) of each token,
    0 on padding; first (B,): the token of the language."""

    source: Tensor
    lengths: Tensor
    tokens: Tensor
    steps: Tensor
    first: Tensor

    def counts(self) -> dict[str, Tensor]:
        """Number of target units and ends."""
        total = (self.tokens != IGNORE).sum() + len(self.tokens)
        return {"units": total.float()}


@dataclass(frozen=True)
class Translated:
    """``units`` (N',) of 50 Hz, an even number; ``score``: mean log-probability of a unit; ``pace``: speaking rate
    relative to the lengths that the model predicted."""

    units: tuple[int, ...]
    score: float
    pace: float = 1.0


class UnitReader(nn.Module):
    """Base of translators with an encoder of the source: units (B, T, 2), or their probabilities (B, T, 2, K).

    ``own_length``: whether a translation can differ in length from its source.
    """

    own_length = True

    def __init__(self, config: TranslatorSizes):
        super().__init__()
        c = config
        self.embed = UnitEmbedding(c.dim, UNITS_PER_FRAME, c.units)
        self.encoder = Conformer(c.dim, c.layers, c.heads, c.hidden, c.kernel, c.dropout)
        self.size = c.units

    def encode(self, source: Tensor, lengths: Tensor) -> Tensor:
        """Encode the source into states (B, T, D), zero on padding."""
        probabilities = source if source.dim() == 4 else F.one_hot(source, self.size)
        mask = length_mask(lengths, source.shape[1])
        features = self.embed(probabilities.to(self.embed.weight.dtype)) * mask[..., None]
        return self.encoder(features, mask)

    def loss(self, batch: UnitPairs) -> dict[str, Tensor]:
        """Losses of a batch by name."""
        raise NotImplementedError

    def missed(self, batch: UnitPairs) -> tuple[int, int]:
        """(wrong units, units) of a batch."""
        raise NotImplementedError

    @torch.no_grad()
    def translate(self, source: Tensor, lengths: Tensor, language: str, same: bool = True) -> list[Translated]:
        """Translate a source, as in `encode`, into a language: as long as the source (``same``) or of predicted
        length."""
        raise NotImplementedError
