"""Noise in speech: the measured ratio is the one asked for, whatever the level, the pauses and the kind of noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.media.mixing import KINDS, babble, mix, noise_of, pink, power, snr, speech_power, white

RATE = 16_000


def speech(seconds=1.0, pause=0.0, level=0.1, seed=0):
    """Tone bursts of a syllable's length, between pauses."""
    time = np.arange(int(RATE * seconds)) / RATE
    rng = np.random.default_rng(seed)
    tone = np.sin(2 * np.pi * rng.uniform(100, 300) * time) * np.abs(np.sin(2 * np.pi * 4 * time))
    return np.pad(level * tone, int(RATE * pause)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.floats(-20, 40), st.floats(1e-3, 1.0), st.floats(0, 1), st.sampled_from(KINDS), st.integers(0, 99))
def test_measured_ratio_is_the_requested_one(decibels, level, pause, kind, seed):
    wave, rng = speech(1.0, pause, level, seed), np.random.default_rng(seed)
    noise = noise_of(kind, len(wave), [speech(0.7, 0.1, seed=seed + 1), speech(2.0, seed=seed + 2)], rng)
    added = mix(wave, noise, decibels).astype(np.float64) - wave
    assert snr(wave, added) == pytest.approx(decibels, abs=0.01)


def test_pauses_around_a_sentence_do_not_change_its_level():
    assert speech_power(speech(1.0, 2.0)) == pytest.approx(speech_power(speech(1.0)), rel=1e-3)
    assert power(speech(1.0, 2.0)) < power(speech(1.0)) / 2


def test_without_noise_or_speech_nothing_is_changed():
    wave = speech()
    assert mix(wave, white(len(wave), np.random.default_rng(0)), float("inf")) is wave
    assert mix(wave, np.zeros_like(wave), 0.0) is wave
    silent = np.zeros_like(wave)
    assert mix(silent, wave, 0.0) is silent
    assert snr(wave, silent) == float("inf")
    with pytest.raises(ValueError, match="samples of noise"):
        mix(wave, wave[:-1], 0.0)


def test_pink_noise_falls_by_three_decibels_per_octave_and_white_does_not():
    def octave_levels(noise):
        spectrum = np.abs(np.fft.rfft(noise)) ** 2
        return [10 * np.log10(spectrum[low : 2 * low].mean()) for low in (500, 1000, 2000, 4000, 8000)]

    falls = -np.diff(octave_levels(pink(RATE * 8, np.random.default_rng(0))))
    assert np.allclose(falls, 3.01, atol=0.5)
    assert np.allclose(np.diff(octave_levels(white(RATE * 8, np.random.default_rng(0)))), 0, atol=0.5)


def test_voices_of_babble_are_equally_loud():
    quiet, loud, rng = speech(level=0.001, seed=1), speech(level=0.5, seed=2), np.random.default_rng(0)
    mixture = babble([quiet, loud], RATE, np.random.default_rng(3))
    louder = babble([quiet * 100, loud], RATE, np.random.default_rng(3))
    assert np.allclose(mixture, louder, atol=1e-4)
    assert len(babble([quiet], 3 * RATE + 7, rng)) == 3 * RATE + 7
    assert not babble([], 10, rng).any() and not babble([np.zeros(5, np.float32)], 10, rng).any()


def test_refuses_unknown_kind_of_noise():
    with pytest.raises(ValueError, match="babble or white or pink"):
        noise_of("brown", 10, [], np.random.default_rng(0))
