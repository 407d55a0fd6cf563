"""Base class and helpers of objectives that train the attention decoder. Shapes: B clips."""

from __future__ import annotations

from torch import Tensor

from vsr.core.required import required
from vsr.core.tokens import IGNORE
from vsr.data.batch import Batch
from vsr.models.decoder import Decoder
from vsr.models.lipreader import LipReader, LipReaderConfig

SETTINGS = "objective_settings."  # prefix of their names in messages
LONGER, SPARE = 1.5, 3  # greatest length of a hypothesis in training: factor of the reference, and tokens added


class DecoderObjective:
    """An objective that trains the attention decoder."""

    name = ""

    def needs(self, config: LipReaderConfig) -> None:
        """Raises ValueError for a model without a decoder."""
        if not config.decoder_layers:
            raise ValueError(f"the objective {self.name} needs a decoder: set decoder_layers")


def decoder_of(model: LipReader) -> Decoder:
    """The attention decoder of a model. Raises LookupError for a model without one."""
    return required(model.decoder, "the attention decoder")


def references(batch: Batch) -> list[list[int]]:
    """Reference tokens of each clip."""
    return [tokens[tokens != IGNORE].tolist() for tokens in batch.tokens]


def length_limits(batch: Batch) -> Tensor:
    """Greatest number of tokens of a hypothesis, (B,)."""
    return (batch.token_lengths * LONGER).long() + SPARE
