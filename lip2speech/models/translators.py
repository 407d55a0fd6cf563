"""What translates units of speech into those of another language: kinds by name, and what all of them have.

A kind is a frozen dataclass, a `TranslatorSizes` with ``learns`` (a line for a dry run) and ``build()``: a `UnitReader`
with

- ``loss(batch)``: of a `UnitPairs`, by name, with "loss";
- ``missed(batch)``: how many of its units are not the likeliest, and of how many (for a dev list);
- ``translate(source, lengths, language, same)``: a `Translated` of each clip.

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
KIND, AUTOREGRESSIVE = "kind", "autoregressive"  # key of a configuration, and what it is where it is not given


@dataclass(frozen=True)
class TranslatorSizes:
    """What every kind has; ``units``: K of its codebook, ``languages`` in the order of their tokens."""

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
        """Blank, unknown, units, languages, end."""
        return FIRST + self.units + len(self.languages) + 1

    def token_of(self, language: str) -> int:
        """The token that says which language a translation is in."""
        return FIRST + self.units + self.languages.index(language)


class Kind(Protocol):
    """A kind; see above."""

    learns: str

    def build(self) -> UnitReader: ...


TRANSLATORS: Registry[type[Any]] = Registry(
    "model.kind", "lip2speech.translators", "lip2speech.models.translator_kinds"
)


def load_translator(folder: str | Path) -> Any:
    """The translator of a folder, of whatever kind. Raises VsrError bad_model."""
    name = read_config(Path(folder)).get(KIND, AUTOREGRESSIVE)
    try:
        kind = TRANSLATORS[name]
    except (TypeError, ValueError) as error:
        raise VsrError("bad_model", f"{folder}: {error}") from error
    return load_part(folder, kind.build, kind)[0]


@dataclass
class UnitPairs(Counted):
    """source (B, T, 2) units; lengths (B,) video frames; tokens (B, U), padded with -1; counts (B, U) steps of each,
    0 on padding; first (B,): the token of the language."""

    source: Tensor
    lengths: Tensor
    tokens: Tensor
    steps: Tensor
    first: Tensor

    def counts(self) -> dict[str, Tensor]:
        """Target units with their ends."""
        known = (self.tokens != IGNORE).sum() + len(self.tokens)
        return {"units": known.float()}


@dataclass(frozen=True)
class Translated:
    """``units`` (N',) of 50 Hz, an even number of them; ``score``: mean log-probability of a unit; ``pace``: how many
    times as fast as the model would have said it."""

    units: tuple[int, ...]
    score: float
    pace: float = 1.0


class UnitReader(nn.Module):
    """What reads the source: units (B, T, 2) of a language, or their probabilities (B, T, 2, K).

    ``own_length``: whether a translation can have another length than its source.
    """

    own_length = True

    def __init__(self, config: TranslatorSizes):
        super().__init__()
        c = config
        self.embed = UnitEmbedding(c.dim, UNITS_PER_FRAME, c.units)
        self.encoder = Conformer(c.dim, c.layers, c.heads, c.hidden, c.kernel, c.dropout)
        self.size = c.units

    def encode(self, source: Tensor, lengths: Tensor) -> Tensor:
        """-> states (B, T, D), zero on padding."""
        shares = source if source.dim() == 4 else F.one_hot(source, self.size)
        mask = length_mask(lengths, source.shape[1])
        features = self.embed(shares.to(self.embed.weight.dtype)) * mask[..., None]
        return self.encoder(features, mask)

    def loss(self, batch: UnitPairs) -> dict[str, Tensor]:
        """Of a batch, by name."""
        raise NotImplementedError

    def missed(self, batch: UnitPairs) -> tuple[int, int]:
        """(units that are not the likeliest, units) of a batch."""
        raise NotImplementedError

    @torch.no_grad()
    def translate(self, source: Tensor, lengths: Tensor, language: str, same: bool = True) -> list[Translated]:
        """Source as of `encode` -> units in a language, as long as the source (``same``) or as they come."""
        raise NotImplementedError
