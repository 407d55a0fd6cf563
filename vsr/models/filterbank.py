"""Log filter bank of the wave -> features, one for each video frame, as AV-HuBERT hears (Shi et al. 2022).

Shapes: B batch, T video frames, D width, S samples. Sound is (B, T, 640), 16 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.clock import MELS_PER_FRAME, SAMPLE_RATE
from vsr.data.modalities import SOUND, WAVE
from vsr.models.lengths import zero_padding
from vsr.models.registry import FRONTENDS

BANDS, FFT = 26, 512
WINDOW, STEP = 400, 160  # samples: 25 ms, every 10
EMPHASIS = 0.97
LOUDEST = 32768.0  # its sound is in steps of 16 bit
EPS = 1e-5


class FilterBank(nn.Module):
    """Sound (B, T, 640), mask (B, T) -> (B, T, D), zero on padding: the four log spectra of a frame side by side,
    brought to mean 0 and variance 1, and projected."""

    def __init__(self, dim: int):
        super().__init__()
        self.project = nn.Linear(MELS_PER_FRAME * BANDS, dim)

    def forward(self, sound: Tensor, mask: Tensor) -> Tensor:
        spectra = torch.stack([_padded(own[:frames].flatten(), len(own))
                               for own, frames in zip(sound, mask.sum(1).tolist(), strict=True)])  # fmt: skip
        even = F.layer_norm(spectra, spectra.shape[-1:], eps=EPS).to(self.project.weight.dtype)
        return zero_padding(self.project(even), mask)


def _padded(wave: Tensor, frames: int) -> Tensor:
    """The spectra of a wave (640 t,) as ``frames`` rows of four, (T, 104), zero after its end."""
    found = log_filter_bank(wave.float() * LOUDEST) if len(wave) else wave.new_zeros(0, BANDS, dtype=torch.float32)
    return F.pad(found, (0, 0, 0, MELS_PER_FRAME * frames - len(found))).view(frames, -1)


def log_filter_bank(wave: Tensor) -> Tensor:
    """Wave (S,) -> (1 + ceil((S - 400) / 160), 26): natural logarithms of the power in triangular bands of the mel
    scale, after pre-emphasis, of stretches without a window function."""
    samples = wave.cpu().double()  # float32 loses quiet bands beside loud ones; some devices have no float64
    emphasised = torch.cat([samples[:1], samples[1:] - EMPHASIS * samples[:-1]])
    count = 1 + max(0, -(-(len(wave) - WINDOW) // STEP))
    stretches = F.pad(emphasised, (0, (count - 1) * STEP + WINDOW - len(wave))).unfold(0, WINDOW, STEP)
    bands = torch.fft.rfft(stretches, FFT).abs().square() / FFT @ _triangles()
    return torch.where(bands == 0, torch.finfo(torch.float64).eps, bands).log().to(wave)


@lru_cache(maxsize=1)
def _triangles() -> Tensor:
    """(257, 26): how much of each frequency a band takes; its corners lie evenly on the mel scale, on whole bins."""
    highest = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, highest, BANDS + 2) / 2595) - 1)
    corners = np.floor((FFT + 1) * hertz / SAMPLE_RATE)
    bins, found = np.arange(FFT // 2 + 1), np.zeros((FFT // 2 + 1, BANDS))
    for band, (left, middle, right) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        rising, falling = (bins >= left) & (bins < middle), (bins >= middle) & (bins < right)
        found[rising, band] = (bins[rising] - left) / (middle - left)
        found[falling, band] = (right - bins[falling]) / (right - middle)
    return torch.from_numpy(found)


@FRONTENDS.register("filter_bank")
@dataclass(frozen=True)
class FilterBankSettings:
    """`FilterBank` has no settings."""

    reads = SOUND
    form = WAVE

    def build(self, dim: int) -> nn.Module:
        return FilterBank(dim)
