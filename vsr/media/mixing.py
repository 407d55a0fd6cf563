"""Mixes speech and noise at a given signal-to-noise ratio; generates babble, white and pink noise.

The level of speech is that of its active parts (as in ITU-T P.56), so that pauses around a sentence do not lower its
noise. The level of noise is that of the whole signal.

Shapes: wave, noise (S,) float32, mono, 16 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsr.core.clock import HOP

KINDS = ("babble", "white", "pink")
PAUSE = 40.0  # dB below the loudest 10 ms; quieter stretches are pauses
SILENCE = 1e-10  # an inaudible power


def power(wave: np.ndarray) -> float:
    """Mean square of all samples; 0 for an empty wave."""
    return float(np.mean(np.square(wave, dtype=np.float64))) if len(wave) else 0.0


def speech_power(wave: np.ndarray) -> float:
    """Mean square of the active parts: stretches of 10 ms that are at most 40 dB below the loudest one."""
    usable = len(wave) // HOP * HOP
    if not usable:
        return power(wave)
    levels = np.square(wave[:usable], dtype=np.float64).reshape(-1, HOP).mean(1)
    active = levels >= levels.max() * 10 ** (-PAUSE / 10)
    return float(levels[active].mean())


def snr(speech: np.ndarray, noise: np.ndarray) -> float:
    """Signal-to-noise ratio of two waves that are mixed, dB; infinite without noise."""
    noise_power = power(noise)
    return float(10 * np.log10(max(speech_power(speech), SILENCE) / noise_power)) if noise_power else float("inf")


def mix(wave: np.ndarray, noise: np.ndarray, decibels: float) -> np.ndarray:
    """Add ``noise`` (S,) to speech of the same length at a ratio of ``decibels``; an infinite ratio adds none.

    If speech or noise is silent, the speech is returned unchanged. Nothing is clipped; the writer has to do so. Raises
    ValueError for noise of another length.
    """
    if len(noise) != len(wave):
        raise ValueError(f"{len(noise)} samples of noise for {len(wave)} of speech")
    noise_power, active_power = power(noise), speech_power(wave)
    if noise_power <= SILENCE or active_power <= SILENCE or decibels == float("inf"):
        return wave
    gain = np.sqrt(active_power / noise_power * 10 ** (-decibels / 10))
    return (wave + gain * noise).astype(np.float32)


def white(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of equal power in every band."""
    return rng.standard_normal(samples, dtype=np.float32)


def pink(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose power falls by 3 dB per octave, without a constant part."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, samples)
    return (noise / max(np.sqrt(power(noise)), 1e-9)).astype(np.float32)


def babble(voices: Sequence[np.ndarray], samples: int, rng: np.random.Generator) -> np.ndarray:
    """Sum of several waves of speech at equal levels, each from a random position on and repeated to the end."""
    mixed = np.zeros(samples, np.float64)
    for voice in voices:
        if len(voice) and (level := speech_power(voice)) > SILENCE:
            start = rng.integers(0, len(voice))
            mixed += np.resize(np.roll(voice, -start), samples) / np.sqrt(level)
    return mixed.astype(np.float32)


def noise_of(kind: str, samples: int, voices: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Noise of one of `KINDS`; ``voices``: from which babble is mixed. Raises ValueError for another kind."""
    if kind == "babble":
        return babble(voices, samples, rng)
    if kind not in KINDS:
        raise ValueError(f"noise is '{kind}'; it can be {' or '.join(KINDS)}")
    return {"white": white, "pink": pink}[kind](samples, rng)
