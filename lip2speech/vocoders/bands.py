"""Maps the bands of a mel to the bins of a spectrum.

Shapes: N mel frames, F = 321 bins.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.media.mel import mel_filters


def band_to_bin() -> Tensor:
    """Weights (80, 321) of the bands in each bin, which sum to 1; the outermost bins take the nearest band."""
    filters = mel_filters()
    peaks = filters / filters.amax(1, keepdim=True)
    reach = peaks.any(0).nonzero()
    first, last = int(reach[0]), int(reach[-1])
    peaks[0, :first], peaks[-1, last + 1 :] = 1, 1
    return peaks / peaks.sum(0)


def area_of_bands() -> Tensor:
    """Correction (321,) to add to each bin's log-magnitude, because a band's value is a sum over its bins."""
    return -mel_filters().sum(1).log() @ band_to_bin()


def between_frames(mel: Tensor, mask: Tensor) -> Tensor:
    """Interpolate mel frames, centred on samples 160 n, to samples 160 n + 80, the centres of the inverse STFT."""
    next_frames = torch.cat([mel[:, 1:], mel[:, -1:]], 1)
    real = torch.cat([mask[:, 1:], mask[:, -1:] & False], 1)
    return torch.where(real[..., None], (mel + next_frames) / 2, mel)
