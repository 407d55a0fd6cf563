"""Fundamental frequency of a voice by WORLD (DIO and StoneMask, Morise et al. 2009), at the mel's frame rate."""

from __future__ import annotations

import numpy as np

from vsr.core.clock import HOP, SAMPLE_RATE, exact
from vsr.core.packages import required_package

FROM_SOURCE = "pip install pyworld, which needs a C++ compiler and Python's headers (Debian: g++ python3-dev)"


def pitch(wave: np.ndarray) -> np.ndarray:
    """Pitch (N,) in Hz, 0 where unvoiced, of a wave (160 N,) at 16 kHz. Raises VsrError missing_package."""
    pyworld = required_package("pyworld", "the pitch of a voice", FROM_SOURCE)
    frames = exact(len(wave), HOP)
    samples = wave.astype(np.float64)
    rough, times = pyworld.dio(samples, SAMPLE_RATE, frame_period=1000 * HOP / SAMPLE_RATE)
    return pyworld.stonemask(samples, rough, times, SAMPLE_RATE)[:frames].astype(np.float32)
