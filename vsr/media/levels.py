"""Mixes noise with speech for files, with an exact ratio: silence is refused, and loud sums are scaled down.

The ratio is that of `vsr.media.mixing`: active speech to all noise. Shapes: wave, noise (S,) float32, mono, 16 kHz.
"""

from __future__ import annotations

import numpy as np

from vsr.core.errors import VsrError
from vsr.media.mixing import SILENCE, mix, power


def mix_at_snr(speech: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """Mix speech (S,) and noise (S,) at ``snr`` dB; a sum beyond [-1, 1] is scaled down, which keeps the ratio.

    Raises VsrError no_sound if either is silent, as there is then no ratio.
    """
    for name, wave in (("speech", speech), ("noise", noise)):
        if power(wave) <= SILENCE:
            raise VsrError("no_sound", f"the {name} is silence: there is no signal-to-noise ratio")
    return within_full_scale(mix(speech, noise, snr))


def within_full_scale(wave: np.ndarray) -> np.ndarray:
    """The wave (S,) as float32, scaled down as a whole if it exceeds [-1, 1]."""
    return (wave / max(1.0, float(np.abs(wave).max(initial=0)))).astype(np.float32)


def stretch(noise: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """A stretch (S,) of a recording from a random position on; a recording that is too short is repeated."""
    start = int(rng.integers(len(noise)))
    return np.take(noise, np.arange(start, start + samples), mode="wrap")
