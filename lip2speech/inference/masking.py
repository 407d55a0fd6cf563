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
    """The wave with its spectrum multiplied by the ratio of ``clean`` (4T, 80) to its own mel, at most by 1."""
    noisy = torch.from_numpy(np.ascontiguousarray(wave, np.float32))
    gains = gains_of(log_mel(noisy), clean)
    window = torch.hann_window(N_FFT)
    spectrum = torch.stft(noisy, N_FFT, HOP, N_FFT, window, center=True, pad_mode="reflect", return_complex=True)
    held = torch.cat([gains, gains[-1:]])  # centring has a frame more, beyond the last sample
    return torch.istft(spectrum * held.T, N_FFT, HOP, N_FFT, window, center=True, length=len(wave)).numpy()


def masked_batch(waves: Sequence[np.ndarray], clean: Tensor) -> Tensor:
    """`masked` of each clip, padded with silence: (B, 640 T); clean (B, 4T, 80)."""
    each = [torch.from_numpy(masked(own, mel[: len(own) // HOP])) for own, mel in zip(waves, clean, strict=True)]
    return pad_sequence(each, batch_first=True)


def gains_of(noisy: Tensor, clean: Tensor) -> Tensor:
    """Log-mels (N, 80) of a recording and of its speech -> what each bin is multiplied by, (N, F) in 0 ... 1."""
    return (clean - noisy).clamp(max=0).exp() @ band_to_bin()


def ratio_of(noisy: Tensor, clean: Tensor) -> float:
    """Signal-to-noise ratio, dB, by the log-mels (N, 80) of a recording and of what is believed to be its speech."""
    whole, speech = noisy.exp().square().sum(), clean.exp().square().sum()
    return float(10 * torch.log10(speech / (whole - speech).clamp(min=1e-3 * float(whole))))
