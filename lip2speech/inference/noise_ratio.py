"""How loud the speech of a recording is against its noise, by what the lips say: when they are silent, noise is heard.

Without lips a voice of babble cannot be told from the speaker's. The mel that lips alone make says which frames hold
speech; what the recording has in the others is noise. Where noise pauses just there, as babble does, the ratio comes
out too high.

Shapes: wave (640 T,) at 16 kHz, mel (4T, 80) natural logarithm.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from lip2speech.inference.options import MADE, MASK
from vsr.core.clock import HOP

ENDS = 0.05, 0.95  # quantiles between which the loudness of lips' mel reaches
SILENT, LOUD = 0.3, 0.5  # of that reach: frames below are silent, above hold speech
FEWEST = 10  # frames of each, 10 ms long
LOUDEST = 30.0  # dB, of a ratio to either side
MADE_BELOW = 1.0  # dB: half-way between the ratios that are found at true ones of -5 and 0 dB (GRID, dev)


def ratio_by_lips(wave: np.ndarray, lips: Tensor) -> float | None:
    """Power of speech over that of noise, dB, between -30 and 30; None where lips hardly rest, or hardly speak."""
    level = lips.float().mean(1).numpy()
    low, high = np.quantile(level, ENDS)
    silent, loud = level < low + SILENT * (high - low), level > low + LOUD * (high - low)
    if min(silent.sum(), loud.sum()) < FEWEST:
        return None
    power = np.square(wave[: HOP * len(level)].astype(np.float64)).reshape(-1, HOP).mean(1)
    noise, both, least = power[silent].mean(), power[loud].mean(), 1e-12 * power.mean()
    if not least:
        return None
    return float(np.clip(10 * np.log10(max(both - noise, least) / max(noise, least)), -LOUDEST, LOUDEST))


def better_of(wave: np.ndarray, lips: Tensor) -> str:
    """`MASK` or `MADE`: which was the better at that ratio on GRID's dev list; a mask where no ratio is known."""
    ratio = ratio_by_lips(wave, lips)
    return MADE if ratio is not None and ratio < MADE_BELOW else MASK
