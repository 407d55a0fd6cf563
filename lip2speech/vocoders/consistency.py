"""Mel consistency: corrects a wave until its mel equals the input mel; phases and fine structure are kept.

Griffin and Lim (1984) alternate between magnitudes and waves. Here only the bands of the mel are imposed: each bin
takes the correction of its bands, so the harmonics and phases of the network are kept. A network's wave deviates
slightly from its mel in every frame; about ten rounds cost a few hundredths of real time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.core.clock import HOP
from vsr.media.mel import FLOOR, N_FFT, mel_filters

LARGEST = 3.0  # largest change of a band in a round, nepers


def mel_consistent(wave: Tensor, mel: Tensor, band_to_bin: Tensor, rounds: int) -> Tensor:
    """The wave (160 N,) of a clip, with its log-mel brought closer to ``mel`` (N, 80) in each round.

    Args:
        band_to_bin: (80, 321), the share of each band in a bin, from `lip2speech.vocoders.bands.band_to_bin`.
    """
    window = torch.hann_window(N_FFT, device=wave.device)
    filters, target = mel_filters().to(wave.device), mel.float().T
    for _ in range(rounds):
        spectrum = torch.stft(wave, N_FFT, HOP, N_FFT, window, center=True, return_complex=True)
        bands = (filters @ spectrum[:, :-1].abs()).clamp(min=FLOOR).log()
        correction = band_to_bin.T @ (target - bands).clamp(-LARGEST, LARGEST)
        # The frame on the last sample is beyond the mel: it takes the correction of the previous frame.
        spectrum = spectrum * torch.cat([correction, correction[:, -1:]], 1).exp()
        wave = torch.istft(spectrum, N_FFT, HOP, N_FFT, window, center=True, length=len(wave))
    return wave
