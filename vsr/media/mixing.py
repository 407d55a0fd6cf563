"""Speech and noise at a signal-to-noise ratio, and the noises: white, pink, babble, or any recording.

The ratio is that of the mean squares of speech and noise over the whole clip, pauses counted, as published audio-visual
recognisers mix them (Shi, Hsu and Mohamed 2022). Shapes: waves (S,) float32, mono.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError

LOWEST = 20.0  # Hz below which pink noise has nothing
SILENT = 1e-12  # mean square (-120 dB) up to which a wave is silence


def power(wave: np.ndarray) -> float:
    """Mean square of (S,); 0 of none."""
    return float(np.mean(np.square(wave, dtype=np.float64))) if len(wave) else 0.0


def mixed(speech: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """(S,) + (S,) at ``snr`` dB; both are lowered together where the sum would leave [-1, 1], so that the ratio stays.

    Raises VsrError no_sound where either is silence, of which there is no ratio.
    """
    levels = power(speech), power(noise)
    if min(levels) <= SILENT:
        silent = "speech" if levels[0] <= SILENT else "noise"
        raise VsrError("no_sound", f"the {silent} is silence: there is no signal-to-noise ratio")
    gain = np.sqrt(levels[0] / levels[1] / 10 ** (snr / 10))
    return inside(np.asarray(speech, np.float64) + gain * np.asarray(noise, np.float64))


def inside(wave: np.ndarray) -> np.ndarray:
    """(S,) float32, lowered as a whole where it would leave [-1, 1]."""
    return (wave / max(1.0, float(np.abs(wave).max(initial=0)))).astype(np.float32)


def white(samples: int, rng: np.random.Generator) -> np.ndarray:
    """(S,): the same power at each frequency."""
    return rng.standard_normal(samples).astype(np.float32)


def pink(samples: int, rng: np.random.Generator) -> np.ndarray:
    """(S,): power falls by 3 dB an octave, from 20 Hz on."""
    hertz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    shape = np.where(hertz >= LOWEST, 1 / np.sqrt(np.maximum(hertz, LOWEST)), 0.0)
    if samples < SAMPLE_RATE / LOWEST:  # too short to have a lowest frequency
        shape = 1 / np.sqrt(np.maximum(hertz, LOWEST))
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(samples)) * shape, samples).astype(np.float32)


def babble(voices: Sequence[np.ndarray], samples: int, rng: np.random.Generator) -> np.ndarray:
    """(S,): several clips that speak at once, equally loud, each from a place of its own and begun again at its end.

    Silent clips are left out. Raises VsrError no_sound if there is no other.
    """
    loud = [voice for voice in voices if power(voice) > SILENT]
    if not loud:
        raise VsrError("no_sound", "babble needs clips that sound: give others")
    return np.sum([stretch(voice, samples, rng) / np.sqrt(power(voice)) for voice in loud], axis=0, dtype=np.float32)


def stretch(noise: np.ndarray, samples: int, rng: np.random.Generator) -> np.ndarray:
    """(S,) of a recording from a random place on; what is too short begins again."""
    start = int(rng.integers(len(noise)))
    return np.take(noise, np.arange(start, start + samples), mode="wrap")
