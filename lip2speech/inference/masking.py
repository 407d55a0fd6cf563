"""Masking of a noisy recording: each band is attenuated to the predicted speech; phases stay those of the recording.

Shapes: wave (640 T,) at 16 kHz, mel (4T, 80) natural logarithm, F = 321 bins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lip2speech.vocoders.bands import band_to_bin
from vsr.core.clock import HOP
from vsr.media.mel import N_FFT, log_mel


def masked(wave: np.ndarray, clean: Tensor) -> np.ndarray:
    """The wave with its spectrum multiplied by the ratio of ``clean`` (4T, 80) to the wave's own mel, at most 1."""
    noisy = torch.from_numpy(np.ascontiguousarray(wave, np.float32))
    gains = mask_gains(log_mel(noisy), clean)
    window = torch.hann_window(N_FFT)
    spectrum = torch.stft(noisy, N_FFT, HOP, N_FFT, window, center=True, pad_mode="reflect", return_complex=True)
    padded_gains = torch.cat([gains, gains[-1:]])  # the centred STFT has one more frame, beyond the last sample
    return torch.istft(spectrum * padded_gains.T, N_FFT, HOP, N_FFT, window, center=True, length=len(wave)).numpy()


def masked_batch(waves: Sequence[np.ndarray], clean: Tensor) -> Tensor:
    """`masked` of each clip, padded with silence: (B, 640 T); clean (B, 4T, 80)."""
    cleaned = [torch.from_numpy(masked(wave, mel[: len(wave) // HOP])) for wave, mel in zip(waves, clean, strict=True)]
    return pad_sequence(cleaned, batch_first=True)


def mask_gains(noisy: Tensor, clean: Tensor) -> Tensor:
    """Log-mels (N, 80) of a recording and of its speech -> gain of each bin, (N, F) in 0 ... 1."""
    return (clean - noisy).clamp(max=0).exp() @ band_to_bin()


def snr_of_mels(noisy: Tensor, clean: Tensor) -> float:
    """Signal-to-noise ratio in dB from the log-mels (N, 80) of a recording and of its estimated speech."""
    total, speech = noisy.exp().square().sum(), clean.exp().square().sum()
    return float(10 * torch.log10(speech / (total - speech).clamp(min=1e-3 * float(total))))
