"""LMDecoder's reader on stored states: a bridge predicts speech units from them, the rest reads text from units."""

import torch
from torch import Tensor, nn

from vsr.core.clock import UNITS_PER_FRAME
from vsr.models.lengths import zero_padding
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.models.target_heads import FrameUnitHead
from vsr.models.unit_bridge import UnitEmbedding


class Bridge(nn.Module):
    """Stored states of lips (B, T, D), or units (B, T, 2), -> features of the unit reader (B, T, E)."""

    def __init__(self, width: int, dim: int, size: int):
        super().__init__()
        self.size = size
        self.units = FrameUnitHead(width, UNITS_PER_FRAME, 1, size)
        self.embed = UnitEmbedding(dim, UNITS_PER_FRAME, size)

    def forward(self, inputs: Tensor, mask: Tensor) -> Tensor:
        return zero_padding(self.embed(self.distributions(inputs)), mask)

    def distributions(self, inputs: Tensor) -> Tensor:
        """Probabilities (B, T, 2, K) of the units: predicted from states, 0 or 1 for units."""
        if inputs.is_floating_point():
            return self.units(inputs).softmax(-1).squeeze(3)
        return nn.functional.one_hot(inputs, self.size).float()


def reader(tokenizer, width: int, size: int, seed: int) -> LipReader:
    """A reader with random weights: the bridge, two Conformer layers with a memory, CTC."""
    torch.manual_seed(seed)
    inner = {"kind": "conformer", "layers": 2, "heads": 4, "hidden": 192, "kernel": 7}
    encoder = {"encoder": inner, "slots": 64, "width": 48}
    config = LipReaderConfig(
        tokenizer.vocab_size, frontend="units", frontend_settings={"size": size}, dim=96, decoder_layers=0,
        ctc_weight=1.0, alignment_weight=0.0, encoder="memory", encoder_settings=encoder,
    )  # fmt: skip
    model = LipReader(config)
    model.frontend = Bridge(width, 96, size)
    return model
