"""Change the pitch of a finished voice: WORLD (Morise et al. 2016) synthesises it with another F0 and the voice's own
spectral envelope and aperiodicity.

Waves are (S,) float32 at 16 kHz. Loads no PyTorch.
"""

from __future__ import annotations

import numpy as np

from lip2speech.features.pitch import FROM_SOURCE, pitch
from vsr.core.clock import HOP, SAMPLE_RATE
from vsr.core.packages import required_package
from vsr.media.audio import fit_length

PERIOD = 1000 * HOP / SAMPLE_RATE  # ms


def shift_pitch(wave: np.ndarray, ratio: float, flat: bool = False) -> np.ndarray:
    """A voice with its pitch times ``ratio``, or ``flat`` at ``ratio`` times its mean; loudness, length and unvoiced
    parts stay. Raises VsrError missing_package."""
    world = required_package("pyworld", "--pitch", FROM_SOURCE)
    samples = np.pad(wave, (0, -len(wave) % HOP)).astype(np.float64)
    f0 = pitch(samples).astype(np.float64)
    if not f0.any():
        return wave
    times = np.arange(len(f0)) * PERIOD / 1000
    envelope = world.cheaptrick(samples, f0, times, SAMPLE_RATE)
    noise = world.d4c(samples, f0, times, SAMPLE_RATE)
    mean = np.exp(np.log(f0[f0 > 0]).mean())
    new_f0 = np.where(f0 > 0, ratio * (mean if flat else f0), 0.0)
    shifted = fit_length(world.synthesize(new_f0, envelope, noise, SAMPLE_RATE, PERIOD), len(wave))
    new_rms, rms = (np.sqrt(np.square(x, dtype=np.float64).mean()) for x in (shifted, wave))
    return (shifted * (rms / max(new_rms, 1e-9))).astype(np.float32)
