"""Reverberation of a room: an impulse response with exponential decay.

The response is the direct path and, ``GAP`` later, a tail whose power falls by 60 dB in T60 (Polack 1988). The signs of
the tail are random but not its envelope, so T60 is exact.
Shapes: wave (S,) and response (N,), 16 kHz.
"""

from __future__ import annotations

import numpy as np

from vsr.core.clock import SAMPLE_RATE
from vsr.media.levels import within_full_scale
from vsr.media.mixing import power

GAP = 0.002  # seconds between the direct sound and the first echo
LENGTH = 1.2  # length of the tail in T60: it ends 72 dB below its beginning


def response(t60: float, rng: np.random.Generator, ratio: float = 0.0) -> np.ndarray:
    """Impulse response (N,) float64; its first sample is the direct path, so that there is no delay.

    ``t60``: seconds; ``ratio``: energy of the direct path over that of the tail, dB.
    """
    times = np.arange(round(LENGTH * t60 * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.choice([-1.0, 1.0], len(times)) * 10 ** (-3 * times / t60)
    tail *= 10 ** (-ratio / 20) / np.sqrt(np.sum(tail**2))
    return np.concatenate([[1.0], np.zeros(round(GAP * SAMPLE_RATE) - 1), tail])


def reverberated(wave: np.ndarray, room: np.ndarray) -> np.ndarray:
    """Convolve a wave (S,) with the response (N,) of a room; length and level are kept, so the end of the tail is
    cut."""
    from scipy.signal import fftconvolve

    reverberant = fftconvolve(np.asarray(wave, np.float64), room)[: len(wave)]
    level = power(reverberant)
    return within_full_scale(reverberant * np.sqrt(power(wave) / level)) if level else within_full_scale(reverberant)
