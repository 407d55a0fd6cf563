"""Front ends of sound for sound_fronts.py: features of a wave, and what brings frozen ones into a reader."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from vsr.core.clock import SAMPLES_PER_FRAME, UNITS_PER_FRAME
from vsr.data.modalities import MEL
from vsr.data.sound_input import to_sound_input
from vsr.models.foundation import Foundation
from vsr.models.lengths import zero_padding

KINDS = ("mel", "hama", "random", "grid-av")
RANDOM = {
    "model_type": "wav2vec2", "hidden_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4,
    "intermediate_size": 768, "conv_dim": [128] * 7, "num_conv_pos_embeddings": 32,
}  # fmt: skip
LEAST = -10.0  # floor of the log-probabilities
FrontEnd = Callable[[np.ndarray], Tensor]  # wave (640 T,) -> features (T, ...)


class Frozen(nn.Module):
    """Stored states (B, T, W) -> (B, T, D) through a linear layer, as in `vsr.models.foundation.Foundation`."""

    def __init__(self, width: int, dim: int):
        super().__init__()
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, dim)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        return zero_padding(self.out(self.norm(states)), mask)


def front_end_of(kind: str) -> FrontEnd | None:
    """Function of a front end: the input of one that is trained, or the states of a frozen one; None for that of
    `grid-av`, whose features are stored with those of video."""
    kinds = {"mel": mel_input, "random": random_front_end, "hama": hama_front_end}
    return kinds[kind]() if kind in kinds else None


def mel_input() -> FrontEnd:
    """Input of the YAML's own front end."""
    return lambda wave: to_sound_input(wave, MEL)


def random_front_end() -> FrontEnd:
    """States of a wav2vec 2.0 with random weights, those of a frame side by side."""
    torch.manual_seed(0)
    network = Foundation(1, RANDOM, -1, True, True).eval()
    return lambda wave: by_frame(network.states(torch.from_numpy(wave)))


def hama_front_end() -> FrontEnd:
    """Log-probabilities of hama's phonemes, those of a frame side by side."""
    import hama

    session = hama.ASRModel().session

    def log_probs(wave: np.ndarray) -> Tensor:
        inputs = {"waveform": wave[None].astype(np.float32), "waveform_lengths": np.array([len(wave)])}
        output = torch.from_numpy(np.asarray(session.run(["log_probs", "out_lengths"], inputs)[0][0])).float()
        return by_frame(fit_length(output, UNITS_PER_FRAME * (len(wave) // SAMPLES_PER_FRAME)).clamp(min=LEAST))

    return log_probs


def by_frame(states: Tensor) -> Tensor:
    """States every 20 ms (2 T, W) -> (T, 2 W)."""
    return states.unflatten(0, (-1, UNITS_PER_FRAME)).flatten(1)


def fit_length(sound: Tensor, frames: int) -> Tensor:
    """``frames`` frames; the last one is repeated if there are too few."""
    return torch.cat([sound, sound[-1:].expand(max(0, frames - len(sound)), *sound.shape[1:])])[:frames]
