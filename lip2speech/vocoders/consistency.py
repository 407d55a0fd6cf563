"""Mel consistency: a wave is changed until its own mel is the one it was made from; phases and fine structure stay.

Griffin and Lim (1984) alternate between magnitudes and waves. Here only the bands of the mel are imposed, each bin
takes the correction of its bands, so harmonics and phases that a network found are kept. A network's wave misses its
mel by a little in every frame; ten rounds or so cost a few hundredths of real time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.core.clock import HOP
from vsr.media.mel import FLOOR, N_FFT, mel_filters

LARGEST = 3.0  # nepers that a round may change a band by


def mel_consistent(wave: Tensor, mel: Tensor, band_to_bin: Tensor, rounds: int) -> Tensor:
    """Wave (160 N) of one clip, whose log-mel becomes more like ``mel`` (N, 80) with each round.

    Args:
        band_to_bin: (80, 321), the share of each band in a bin, of `lip2speech.vocoders.bands.band_to_bin`.
    """
    window = torch.hann_window(N_FFT, device=wave.device)
    filters, target = mel_filters().to(wave.device), mel.float().T
    for _ in range(rounds):
        spectrum = torch.stft(wave, N_FFT, HOP, N_FFT, window, center=True, return_complex=True)
        bands = (filters @ spectrum[:, :-1].abs()).clamp(min=FLOOR).log()
        correction = band_to_bin.T @ (target - bands).clamp(-LARGEST, LARGEST)
        # The frame on the last sample is beyond the mel's clock: it takes the correction of the one before.
        spectrum = spectrum * torch.cat([correction, correction[:, -1:]], 1).exp()
        wave = torch.istft(spectrum, N_FFT, HOP, N_FFT, window, center=True, length=len(wave))
    return wave
