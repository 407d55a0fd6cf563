"""A room's echo: an impulse response that decays exponentially.

The response is the direct path and, ``GAP`` later, a tail whose power falls by 60 dB in T60 (Polack 1988). Signs
of the tail are random and its envelope is not, so T60 is met exactly.
Shapes: wave (S,) and response (N,), 16 kHz.
"""

from __future__ import annotations

import numpy as np

from vsr.core.clock import SAMPLE_RATE
from vsr.media.levels import inside
from vsr.media.mixing import power

GAP = 0.002  # seconds between the direct sound and the first echo
LENGTH = 1.2  # times T60 that the tail lasts: it ends 72 dB below its beginning


def response(t60: float, rng: np.random.Generator, ratio: float = 0.0) -> np.ndarray:
    """(N,) float64; its first sample is the direct path, so that nothing is delayed.

    ``t60``: seconds; ``ratio``: energy of the direct path over that of the tail, dB.
    """
    times = np.arange(round(LENGTH * t60 * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.choice([-1.0, 1.0], len(times)) * 10 ** (-3 * times / t60)
    tail *= 10 ** (-ratio / 20) / np.sqrt(np.sum(tail**2))
    return np.concatenate([[1.0], np.zeros(round(GAP * SAMPLE_RATE) - 1), tail])


def reverberated(wave: np.ndarray, room: np.ndarray) -> np.ndarray:
    """(S,) heard in a room of response (N,), as loud as before and as long: what rings on after the end is cut."""
    from scipy.signal import fftconvolve

    heard = fftconvolve(np.asarray(wave, np.float64), room)[: len(wave)]
    level = power(heard)
    return inside(heard * np.sqrt(power(wave) / level)) if level else inside(heard)
