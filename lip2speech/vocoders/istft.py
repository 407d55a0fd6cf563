"""Inverse short-time Fourier transform of a padded batch, with a given trim at the ends."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

LEAST = 1e-9  # smallest sum of squared windows at which a sample is defined


def inverse_stft(spectrum: Tensor, window: Tensor, hop: int, cut: int, mask: Tensor) -> Tensor:
    """Overlap-add of real frames, divided by the sum of their squared windows.

    Args:
        spectrum: (B, N, n_fft // 2 + 1) complex.
        window: (n_fft,).
        hop: samples from one frame to the next.
        cut: samples taken off both ends: (n_fft - hop) // 2 is "same" padding, n_fft // 2 is a centred transform.
        mask: (B, N) True on real frames, which come first in each row; padding frames are ignored, so that the end of
            a clip does not depend on its batch.

    Returns:
        (B, hop (N - 1) + n_fft - 2 cut), silent after the end of a clip.
    """
    n_fft = len(window)
    frames = torch.fft.irfft(spectrum, n_fft, dim=-1) * window * mask[..., None]
    wave = _folded(frames, hop, cut)
    weight = _folded(window.square() * mask[..., None], hop, cut)
    # The last frames of a padded clip reach beyond its end.
    ends = mask.sum(1) * hop + n_fft - hop - 2 * cut
    real = (torch.arange(wave.shape[1], device=wave.device) < ends[:, None]) & (weight > LEAST)
    return torch.where(real, wave / weight.clamp(min=LEAST), 0.0)


def _folded(frames: Tensor, hop: int, cut: int) -> Tensor:
    """Overlap-add of frames (B, N, n_fft), one every ``hop`` samples, with ``cut`` samples off both ends."""
    n_fft = frames.shape[-1]
    length = (frames.shape[1] - 1) * hop + n_fft
    summed = F.fold(frames.transpose(1, 2), (1, length), (1, n_fft), stride=(1, hop))[:, 0, 0]
    return summed[:, cut : length - cut]
