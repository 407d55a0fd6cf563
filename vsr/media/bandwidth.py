"""What a channel takes from speech: high frequencies, levels, loud samples, stretches.

Each keeps the length of the wave and delays nothing. Shapes: wave (S,) float32, mono, 16 kHz.
"""

from __future__ import annotations

import numpy as np

from vsr.core.clock import SAMPLE_RATE

TAPS = 511  # of the low-pass: its transition takes about 100 Hz
MU = 255.0  # of G.711's curve


def low_passed(wave: np.ndarray, hertz: float) -> np.ndarray:
    """What is left below ``hertz``, where it is down to a half (-6 dB), by a linear-phase filter."""
    from scipy.signal import fftconvolve, firwin

    taps = firwin(TAPS, hertz, fs=SAMPLE_RATE, window=("kaiser", 6.0))
    return fftconvolve(np.asarray(wave, np.float64), taps, mode="full")[TAPS // 2 :][: len(wave)].astype(np.float32)


def companded(wave: np.ndarray, bits: int) -> np.ndarray:
    """In 2^bits levels of G.711's logarithmic curve, as a telephone's codec has them (8 bits there)."""
    steps = 2 ** (bits - 1) - 1
    curve = np.sign(wave) * np.log1p(MU * np.minimum(np.abs(wave), 1.0)) / np.log1p(MU)
    levels = np.round(curve * steps) / steps
    return (np.sign(levels) * np.expm1(np.abs(levels) * np.log1p(MU)) / MU).astype(np.float32)


def clipped(wave: np.ndarray, share: float) -> np.ndarray:
    """The loudest ``share`` of the samples held at the level of the loudest of the others."""
    if not len(wave):
        return wave
    limit = np.sort(np.abs(wave))[max(0, len(wave) - round(share * len(wave)) - 1)]
    return np.clip(wave, -limit, limit)


def with_gaps(wave: np.ndarray, gaps: list[tuple[int, int]]) -> np.ndarray:
    """Silent in each of the stretches (start, stop) of samples."""
    silent = np.array(wave)
    for start, stop in gaps:
        silent[start:stop] = 0
    return silent
