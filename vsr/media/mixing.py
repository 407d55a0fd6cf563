"""Speech and noise in one wave, at a signal-to-noise ratio that can be measured back; babble, white and pink noise.

The level of speech is that of its active parts (as ITU-T P.56 means it): pauses round a sentence do not make its noise
weaker. The level of noise is that of all of it.

Shapes: wave, noise (S,) float32, mono, 16 kHz.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vsr.core.clock import HOP

KINDS = ("babble", "white", "pink")
PAUSE = 40.0  # dB below the loudest 10 ms, from where on a stretch counts as a pause
SILENCE = 1e-10  # a power that nobody hears


def power(wave: np.ndarray) -> float:
    """Mean square of all samples; 0 of none."""
    return float(np.mean(np.square(wave, dtype=np.float64))) if len(wave) else 0.0


def speech_power(wave: np.ndarray) -> float:
    """Mean square of the active parts: stretches of 10 ms that are at most 40 dB below the loudest one."""
    whole = len(wave) // HOP * HOP
    if not whole:
        return power(wave)
    levels = np.square(wave[:whole], dtype=np.float64).reshape(-1, HOP).mean(1)
    active = levels >= levels.max() * 10 ** (-PAUSE / 10)
    return float(levels[active].mean())


def snr(speech: np.ndarray, noise: np.ndarray) -> float:
    """Signal-to-noise ratio of two waves that are heard together, dB; infinite without noise."""
    loud = power(noise)
    return float(10 * np.log10(max(speech_power(speech), SILENCE) / loud)) if loud else float("inf")


def mix(wave: np.ndarray, noise: np.ndarray, decibels: float) -> np.ndarray:
    """Speech with ``noise`` (S,), as long as it, at a ratio of ``decibels``; infinite ones leave it as it is.

    Speech that is silent, and noise that is, stay without. Nothing is clipped: what a file cannot hold is the writer's
    affair. Raises ValueError for noise of another length.
    """
    if len(noise) != len(wave):
        raise ValueError(f"{len(noise)} samples of noise for {len(wave)} of speech")
    loud, spoken = power(noise), speech_power(wave)
    if loud <= SILENCE or spoken <= SILENCE or decibels == float("inf"):
        return wave
    gain = np.sqrt(spoken / loud * 10 ** (-decibels / 10))
    return (wave + gain * noise).astype(np.float32)


def white(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of equal power in every band."""
    return rng.standard_normal(samples, dtype=np.float32)


def pink(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise whose power falls by 3 dB an octave; no constant part."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    noise = np.fft.irfft(spectrum, samples)
    return (noise / max(np.sqrt(power(noise)), 1e-9)).astype(np.float32)


def babble(voices: Sequence[np.ndarray], samples: int, rng: np.random.Generator) -> np.ndarray:
    """Several waves of speech at once, each as loud as the others, begun anywhere and repeated to the end."""
    mixed = np.zeros(samples, np.float64)
    for voice in voices:
        if len(voice) and (level := speech_power(voice)) > SILENCE:
            start = rng.integers(0, len(voice))
            mixed += np.resize(np.roll(voice, -start), samples) / np.sqrt(level)
    return mixed.astype(np.float32)


def noise_of(kind: str, samples: int, voices: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Noise of one of `KINDS`; ``voices`` are what babble is made of. Raises ValueError for another kind."""
    if kind == "babble":
        return babble(voices, samples, rng)
    if kind not in KINDS:
        raise ValueError(f"noise is '{kind}'; it can be {' or '.join(KINDS)}")
    return {"white": white, "pink": pink}[kind](samples, rng)
