"""What objectives over whole hypotheses of a decoder share. Shapes: B clips."""

from __future__ import annotations

from torch import Tensor

from vsr.core.present import present
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.decoder import Decoder
from vsr.models.lipreader import LipReader, LipReaderConfig

SETTINGS = "objective_settings."  # before their names in messages
LONGER, SPARE = 1.5, 3  # times the reference, and tokens more: how long a hypothesis in training may be


class OfDecoder:
    """An objective that trains the attention decoder."""

    name = ""

    def needs(self, config: LipReaderConfig) -> None:
        """Raises ValueError for a model without one."""
        if not config.decoder_layers:
            raise ValueError(f"the objective {self.name} needs a decoder: set decoder_layers")


def decoder_of(model: LipReader) -> Decoder:
    """Its decoder, which `OfDecoder.needs` asks for. Raises LookupError for a model without one."""
    return present(model.decoder, "the attention decoder")


def references(batch: Batch) -> list[list[int]]:
    """Tokens of each clip."""
    return [own[own != IGNORE].tolist() for own in batch.tokens]


def limit_of(batch: Batch) -> Tensor:
    """(B,) tokens that a hypothesis may have."""
    return (batch.token_lengths * LONGER).long() + SPARE
