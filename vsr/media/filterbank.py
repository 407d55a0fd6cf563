"""Mel filters, cosine transform and differences over time: the three linear maps of our spectral features.

They equal torchaudio's `melscale_fbanks`, `create_dct` and `compute_deltas`, without that package, whose library works
with only one release of torch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

LINEAR_STEP = 200 / 3  # Hz per mel below the knee of Slaney's scale
KNEE = 1000.0  # Hz
LOG_STEP = math.log(6.4) / 27  # per mel above the knee
REACH = 2  # frames on either side that a difference uses


def mel_filters(n_freqs: int, top: float, bands: int) -> Tensor:
    """(bands, n_freqs) triangles of equal area on Slaney's mel scale, for evenly spaced frequencies up to `top` Hz."""
    freqs = torch.linspace(0, top, n_freqs)
    corners = _mel_to_hz(torch.linspace(0.0, _hz_to_mel(top), bands + 2))
    widths = corners.diff()
    slopes = corners[None] - freqs[:, None]  # (n_freqs, bands + 2)
    rising, falling = -slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]
    triangles = torch.minimum(rising, falling).clamp(min=0)
    return (triangles * (2 / (corners[2:] - corners[:-2]))).T.contiguous()


def cosines(count: int, bands: int) -> Tensor:
    """(bands, count) orthonormal cosines (DCT-II): log-mel (N, bands) times them are `count` cepstra."""
    position = (torch.arange(float(bands)) + 0.5)[:, None]
    table = torch.cos(math.pi / bands * position * torch.arange(float(count)))
    table[:, 0] *= 1 / math.sqrt(2)
    return table * math.sqrt(2 / bands)


def differences(features: Tensor) -> Tensor:
    """Slope (C, N) over five frames of each row of (C, N); ends are repeated."""
    weights = torch.arange(-REACH, REACH + 1.0)
    padded = F.pad(features[:, None], (REACH, REACH), mode="replicate")
    return F.conv1d(padded, weights[None, None])[:, 0] / weights.square().sum()


def _hz_to_mel(hz: float) -> float:
    return hz / LINEAR_STEP if hz < KNEE else KNEE / LINEAR_STEP + math.log(hz / KNEE) / LOG_STEP


def _mel_to_hz(mels: Tensor) -> Tensor:
    knee = KNEE / LINEAR_STEP
    return torch.where(mels < knee, mels * LINEAR_STEP, KNEE * torch.exp(LOG_STEP * (mels - knee)))
