"""Signal-to-noise ratio of a recording, estimated with the lips: where they are silent, the sound is noise.

Without lips, a voice in babble cannot be told from the speaker's. The mel synthesised from lips alone tells which
frames hold speech; the sound in the other frames is noise. If the noise pauses just there, as babble does, the ratio
comes out too high.

Shapes: wave (640 T,) at 16 kHz, mel (4T, 80) natural logarithm.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from lip2speech.inference.synthesis_options import MADE, MASK
from vsr.core.clock import HOP

ENDS = 0.05, 0.95  # quantiles that bound the loudness range of the mel from lips
SILENT, LOUD = 0.3, 0.5  # shares of that range: frames below are silent, frames above hold speech
FEWEST = 10  # frames of each kind, 10 ms long
LOUDEST = 30.0  # dB, limit of the ratio in both directions
MADE_BELOW = 1.0  # dB: half-way between the ratios estimated at true ones of -5 and 0 dB (GRID, dev)


def snr_from_lips(wave: np.ndarray, lips: Tensor) -> float | None:
    """Power of speech over power of noise in dB, from -30 to 30; None if the lips hardly rest, or hardly speak."""
    levels = lips.float().mean(1).numpy()
    low, high = np.quantile(levels, ENDS)
    silent, loud = levels < low + SILENT * (high - low), levels > low + LOUD * (high - low)
    if min(silent.sum(), loud.sum()) < FEWEST:
        return None
    power = np.square(wave[: HOP * len(levels)].astype(np.float64)).reshape(-1, HOP).mean(1)
    noise, both, least = power[silent].mean(), power[loud].mean(), 1e-12 * power.mean()
    if not least:
        return None
    return float(np.clip(10 * np.log10(max(both - noise, least) / max(noise, least)), -LOUDEST, LOUDEST))


def choose_output(wave: np.ndarray, lips: Tensor) -> str:
    """`MASK` or `MADE`, whichever was better at that ratio on GRID's dev list; `MASK` if the ratio is unknown."""
    ratio = snr_from_lips(wave, lips)
    return MADE if ratio is not None and ratio < MADE_BELOW else MASK
