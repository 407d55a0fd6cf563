"""Decides whether a recording contains a voice: noise and tones also give a speaker vector, but a meaningless one.

A voice fills the spectrum, unlike tones and melodies, and its spectrum changes all the time, unlike that of noise, hum
and clicks; a monotonous voice has a pitch and a varying level. The thresholds were set on 45 voices of LibriSpeech,
GRID and videos, clean and in white noise at 0 dB, and on 18 kinds of noise and tones.

Shapes: wave (S,) at 16 kHz; power (n, 321), of frames of 40 ms every 10 ms.
"""

from __future__ import annotations

import numpy as np

from vsr.core.clock import HOP, SAMPLE_RATE, SAMPLES_PER_FRAME

LISTENED = 30 * SAMPLE_RATE  # samples that are enough to decide
BANDS = np.geomspace(100, 7000, 21)  # Hz
FLOOR = 1e-7  # relative to the power of the loudest frame
SMOOTHED = 5  # frames
LEAST_FILLED = 0.13  # share of the bins within 40 dB of the strongest; voices 0.18, melodies 0.10, hum 0.12
LEAST_COLOUR = 2.8  # dB, variation of bands relative to the level; clean voices 6.1, most in noise 2.9, noise 2.7
LEAST_VOICED = 0.2  # share of the frames that have a pitch
LEAST_LEVEL = 5.0  # dB, variation of the level


def holds_voice(wave: np.ndarray) -> bool:
    """Whether the first 30 s of a wave can be a voice; False for less than half a second."""
    wave = wave[: min(LISTENED, len(wave) // HOP * HOP)]
    if len(wave) < SAMPLE_RATE // 2:
        return False
    frames = np.lib.stride_tricks.sliding_window_view(wave, SAMPLES_PER_FRAME)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(SAMPLES_PER_FRAME), axis=1)) ** 2
    return _filled_share(power) >= LEAST_FILLED and (
        _spectral_variation(power) >= LEAST_COLOUR or _is_intoned(wave, power)
    )


def _filled_share(power: np.ndarray) -> float:
    """Median share of the bins within 40 dB of the strongest, in frames that are not pauses."""
    total = power.sum(1)
    loud = power[total > 1e-3 * total.max()]
    return float(np.median((loud > 1e-4 * loud.max(1, keepdims=True)).mean(1))) if len(loud) else 0.0


def _spectral_variation(power: np.ndarray) -> float:
    """Mean standard deviation over time, dB, of the spectrum's bands relative to their common level."""
    hertz = np.fft.rfftfreq(SAMPLES_PER_FRAME, 1 / SAMPLE_RATE)
    width = hertz[1] + 1
    edges = zip(BANDS[:-1], BANDS[1:], strict=True)
    bands = np.stack([power[:, (hertz >= low) & (hertz < max(high, low + width))].sum(1) for low, high in edges])
    level = 10 * np.log10(bands + FLOOR * power.sum(1).max())
    smooth = np.stack([np.convolve(band, np.ones(SMOOTHED) / SMOOTHED, "valid") for band in level])
    return float((smooth - smooth.mean(0)).std(axis=1).mean())


def _is_intoned(wave: np.ndarray, power: np.ndarray) -> bool:
    """Whether the wave has a pitch and a varying level."""
    from lip2speech.features.pitch import pitch

    total = power.sum(1)
    level = 10 * np.log10(total[total > 1e-6 * total.max()])
    return level.std() >= LEAST_LEVEL and (pitch(wave) > 0).mean() >= LEAST_VOICED
