"""Log filter bank of the wave -> features per video frame, as in AV-HuBERT (Shi et al. 2022).

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
LOUDEST = 32768.0  # AV-HuBERT reads 16-bit samples
EPS = 1e-5


class FilterBank(nn.Module):
    """Sound (B, T, 640), mask (B, T) -> (B, T, D), zero on padding: the four log spectra of each frame concatenated,
    normalised to mean 0 and variance 1, and projected."""

    def __init__(self, dim: int):
        super().__init__()
        self.project = nn.Linear(MELS_PER_FRAME * BANDS, dim)

    def forward(self, sound: Tensor, mask: Tensor) -> Tensor:
        spectra = torch.stack([_padded(wave[:frames].flatten(), len(wave))
                               for wave, frames in zip(sound, mask.sum(1).tolist(), strict=True)])  # fmt: skip
        normalised = F.layer_norm(spectra, spectra.shape[-1:], eps=EPS).to(self.project.weight.dtype)
        return zero_padding(self.project(normalised), mask)


def _padded(wave: Tensor, frames: int) -> Tensor:
    """Spectra of a wave (640 t,), four per frame, padded with zeros to T ``frames``: (T, 104)."""
    spectra = log_filter_bank(wave.float() * LOUDEST) if len(wave) else wave.new_zeros(0, BANDS, dtype=torch.float32)
    return F.pad(spectra, (0, 0, 0, MELS_PER_FRAME * frames - len(spectra))).view(frames, -1)


def log_filter_bank(wave: Tensor) -> Tensor:
    """Wave (S,) -> (1 + ceil((S - 400) / 160), 26): natural logarithms of the power in triangular mel bands, after
    pre-emphasis, without a window function."""
    samples = wave.cpu().double()  # float32 loses quiet bands beside loud ones; some devices have no float64
    emphasised = torch.cat([samples[:1], samples[1:] - EMPHASIS * samples[:-1]])
    count = 1 + max(0, -(-(len(wave) - WINDOW) // STEP))
    windows = F.pad(emphasised, (0, (count - 1) * STEP + WINDOW - len(wave))).unfold(0, WINDOW, STEP)
    bands = torch.fft.rfft(windows, FFT).abs().square() / FFT @ _triangles()
    return torch.where(bands == 0, torch.finfo(torch.float64).eps, bands).log().to(wave)


@lru_cache(maxsize=1)
def _triangles() -> Tensor:
    """Weights of the triangular bands, (257, 26); corners are equally spaced in mel, rounded down to whole bins."""
    highest = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    hertz = 700 * (10 ** (np.linspace(0, highest, BANDS + 2) / 2595) - 1)
    corners = np.floor((FFT + 1) * hertz / SAMPLE_RATE)
    bins, weights = np.arange(FFT // 2 + 1), np.zeros((FFT // 2 + 1, BANDS))
    for band, (left, middle, right) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
        rising, falling = (bins >= left) & (bins < middle), (bins >= middle) & (bins < right)
        weights[rising, band] = (bins[rising] - left) / (middle - left)
        weights[falling, band] = (right - bins[falling]) / (right - middle)
    return torch.from_numpy(weights)


@FRONTENDS.register("filter_bank")
@dataclass(frozen=True)
class FilterBankSettings:
    """Settings of `FilterBank`, which has none."""

    reads = SOUND
    form = WAVE

    def build(self, dim: int) -> nn.Module:
        return FilterBank(dim)
