"""Fundamental frequency of a voice by WORLD (DIO and StoneMask, Morise et al. 2009), on the mel clock."""

from __future__ import annotations

import numpy as np

from vsr.clock import HOP, SAMPLE_RATE, exact


def pitch(wave: np.ndarray) -> np.ndarray:
    """Wave (160 N,) at 16 kHz -> (N,) Hz, 0 where nothing is voiced."""
    import pyworld

    frames = exact(len(wave), HOP)
    samples = wave.astype(np.float64)
    rough, times = pyworld.dio(samples, SAMPLE_RATE, frame_period=1000 * HOP / SAMPLE_RATE)
    return pyworld.stonemask(samples, rough, times, SAMPLE_RATE)[:frames].astype(np.float32)
