"""Measures the lag of a voice behind the natural recording, and aligns both by it.

Waves are (S,) float32 at 16 kHz, both equally long. (Offsets of a corpus's audio from its video: `lip2speech.av_sync`.)
"""

from __future__ import annotations

import numpy as np
import torch

from vsr.core.clock import SAMPLE_RATE

MAX_OFFSET = SAMPLE_RATE // 5  # samples, range of the search in each direction
CONTOUR_HOP = 16  # samples: 1 ms


def offset(natural: np.ndarray, voice: np.ndarray) -> int:
    """Lag of the voice in samples, from the correlation of band loudness within +-200 ms."""
    contours = [_contours(wave) for wave in (natural, voice)]
    size = 2 * len(contours[0])
    spectra = [np.fft.rfft(contour, size, axis=0) for contour in contours]
    correlation = np.fft.irfft((spectra[0].conj() * spectra[1]).sum(1), size)
    reach = MAX_OFFSET // CONTOUR_HOP
    lags = np.arange(-reach, reach + 1)
    return int(lags[np.argmax(correlation[lags])]) * CONTOUR_HOP


def shifted(natural: np.ndarray, voice: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Both waves, cut so that a voice that lags by ``lag`` samples is aligned with the natural one."""
    length = len(natural) - abs(lag)
    return natural[max(0, -lag) :][:length], voice[max(0, lag) :][:length]


def _contours(wave: np.ndarray) -> np.ndarray:
    """Log-loudness of 8 bands every millisecond, zero mean: (S / 16, 8)."""
    sound = torch.from_numpy(np.ascontiguousarray(wave))
    spectrum = torch.stft(sound, 512, CONTOUR_HOP, window=torch.hann_window(512), return_complex=True).abs()
    bands = torch.stack([band.square().mean(0) for band in spectrum[4:228].chunk(8)], 1).clamp(min=1e-6).log()
    return (bands - bands.mean(0)).numpy()
