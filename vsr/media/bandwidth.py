"""Simulates a poor channel: loss of high frequencies, quantisation, clipping, gaps.

Each function keeps the length of the wave and adds no delay. Shapes: wave (S,) float32, mono, 16 kHz.
"""

from __future__ import annotations

import numpy as np

from vsr.core.clock import SAMPLE_RATE

TAPS = 511  # of the low-pass; its transition band is about 100 Hz wide
MU = 255.0  # of G.711's mu-law


def low_passed(wave: np.ndarray, hertz: float) -> np.ndarray:
    """Low-pass a wave with a linear-phase filter whose gain at ``hertz`` is a half (-6 dB)."""
    from scipy.signal import fftconvolve, firwin

    taps = firwin(TAPS, hertz, fs=SAMPLE_RATE, window=("kaiser", 6.0))
    return fftconvolve(np.asarray(wave, np.float64), taps, mode="full")[TAPS // 2 :][: len(wave)].astype(np.float32)


def companded(wave: np.ndarray, bits: int) -> np.ndarray:
    """Quantise a wave to 2^bits levels of G.711's logarithmic curve, as in a telephone's codec (8 bits there)."""
    steps = 2 ** (bits - 1) - 1
    curve = np.sign(wave) * np.log1p(MU * np.minimum(np.abs(wave), 1.0)) / np.log1p(MU)
    levels = np.round(curve * steps) / steps
    return (np.sign(levels) * np.expm1(np.abs(levels) * np.log1p(MU)) / MU).astype(np.float32)


def clipped(wave: np.ndarray, share: float) -> np.ndarray:
    """Clip the loudest ``share`` of the samples to the level of the loudest remaining one."""
    if not len(wave):
        return wave
    limit = np.sort(np.abs(wave))[max(0, len(wave) - round(share * len(wave)) - 1)]
    return np.clip(wave, -limit, limit)


def with_gaps(wave: np.ndarray, gaps: list[tuple[int, int]]) -> np.ndarray:
    """Set the samples of each gap (start, stop) to silence."""
    silent = np.array(wave)
    for start, stop in gaps:
        silent[start:stop] = 0
    return silent
