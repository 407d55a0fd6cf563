"""Log-mel spectrogram of the published lip-to-speech systems: 16 kHz, 640/160/640, 80 bands, 0-8000 Hz.

As in Tacotron 2's STFT layer: centred frames with reflection, magnitudes (not powers), Slaney's mel scale and area
normalisation, natural logarithm clipped at 1e-5.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from vsr.core.clock import HOP, SAMPLE_RATE, exact
from vsr.media import filterbank

N_FFT = 640
NUM_MELS = 80
FLOOR = 1e-5  # lower limit of the magnitude, before the logarithm


@cache
def mel_filters() -> Tensor:
    """(80, 321) triangular filters."""
    with torch.device("cpu"):  # independent of the default device at the first call
        return filterbank.mel_filters(N_FFT // 2 + 1, SAMPLE_RATE / 2, NUM_MELS)


def log_mel(wave: Tensor) -> Tensor:
    """Log-mel (..., N, 80) of a wave (..., 160 N); frame n is centred on sample 160 n. Computed in double precision if
    the wave is: in quiet bands next to loud ones single precision has errors of up to 7e-4 (20 clips of GRID).

    Raises ValueError for a length that is no multiple of the hop, or too short to be reflected at its ends.
    """
    frames = exact(wave.shape[-1], HOP)
    if wave.shape[-1] <= N_FFT // 2:
        raise ValueError(f"{wave.shape[-1]} samples are too few for a frame of {N_FFT}")
    exact_type = torch.float64 if wave.dtype == torch.float64 else torch.float32
    flat = wave.reshape(-1, wave.shape[-1]).to(exact_type)
    window = torch.hann_window(N_FFT, dtype=exact_type, device=wave.device)
    spectrum = torch.stft(flat, N_FFT, HOP, N_FFT, window, center=True, pad_mode="reflect", return_complex=True)
    # Centring gives an extra frame beyond the last sample.
    magnitude = spectrum[..., :frames].abs()
    mel = torch.matmul(mel_filters().to(magnitude), magnitude).clamp(min=FLOOR).log()
    return mel.transpose(1, 2).reshape(*wave.shape[:-1], frames, NUM_MELS)
