"""A finished voice at another pitch: WORLD's source of harmonics and noise (Morise et al. 2016) is made again and
shaped by the voice's own envelope.

Waves are (S,) float32 at 16 kHz. Loads no PyTorch.
"""

from __future__ import annotations

import numpy as np

from lip2speech.features.pitch import FROM_SOURCE, pitch
from vsr.core.clock import HOP, SAMPLE_RATE
from vsr.core.packages import needed
from vsr.media.audio import fit_length

PERIOD = 1000 * HOP / SAMPLE_RATE  # ms


def repitched(wave: np.ndarray, ratio: float, flat: bool = False) -> np.ndarray:
    """A voice whose pitch is ``ratio`` times as high, or ``flat`` at as many times its mean; as loud and as long as it
    was, and what is not voiced as it was. Raises VsrError missing_package."""
    world = needed("pyworld", "--pitch", FROM_SOURCE)
    samples = np.pad(wave, (0, -len(wave) % HOP)).astype(np.float64)
    own = pitch(samples).astype(np.float64)
    if not own.any():
        return wave
    times = np.arange(len(own)) * PERIOD / 1000
    envelope = world.cheaptrick(samples, own, times, SAMPLE_RATE)
    noise = world.d4c(samples, own, times, SAMPLE_RATE)
    mean = np.exp(np.log(own[own > 0]).mean())
    wanted = np.where(own > 0, ratio * (mean if flat else own), 0.0)
    made = fit_length(world.synthesize(wanted, envelope, noise, SAMPLE_RATE, PERIOD), len(wave))
    loud, before = (np.sqrt(np.square(x, dtype=np.float64).mean()) for x in (made, wave))
    return (made * (before / max(loud, 1e-9))).astype(np.float32)
