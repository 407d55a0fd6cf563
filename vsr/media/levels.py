"""Noise of any kind under speech, so that what is written holds the ratio: silence is refused, loud sums are lowered.

The ratio is `vsr.media.mixing`'s: active speech to all of the noise. Shapes: wave, noise (S,) float32, mono, 16 kHz.
"""

from __future__ import annotations

import numpy as np

from vsr.core.errors import VsrError
from vsr.media.mixing import SILENCE, mix, power


def mixed(speech: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """(S,) + (S,) at ``snr`` dB; both are lowered together where the sum would leave [-1, 1], so that the ratio stays.

    Raises VsrError no_sound where either is silence, of which there is no ratio.
    """
    for name, wave in (("speech", speech), ("noise", noise)):
        if power(wave) <= SILENCE:
            raise VsrError("no_sound", f"the {name} is silence: there is no signal-to-noise ratio")
    return inside(mix(speech, noise, snr))


def inside(wave: np.ndarray) -> np.ndarray:
    """(S,) float32, lowered as a whole where it would leave [-1, 1]."""
    return (wave / max(1.0, float(np.abs(wave).max(initial=0)))).astype(np.float32)


def stretch(noise: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(S,) of a recording from a random place on; what is too short begins again."""
    start = int(rng.integers(len(noise)))
    return np.take(noise, np.arange(start, start + samples), mode="wrap")
