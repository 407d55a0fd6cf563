"""Noise, echo, low-pass, clipping, companding and gaps: each property is measured in the output."""

import numpy as np
import pytest

from vsr.core.clock import SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.media.bandwidth import clipped, companded, low_passed, with_gaps
from vsr.media.levels import mix_at_snr, stretch, within_full_scale
from vsr.media.mixing import babble, pink, power, speech_power, white
from vsr.media.reverberation import GAP, response, reverberated

RATE = 16_000


def voice(seed=0, seconds=2.0, level=0.1):
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * 140 * times) + 0.3 * rng.standard_normal(len(times))
    return (level * tone * (np.sin(2 * np.pi * 3 * times) > -0.3)).astype(np.float32)


def noises(samples, rng):
    return {
        "white": white(samples, rng),
        "pink": pink(samples, rng),
        "babble": babble([voice(n) for n in range(5)], samples, rng),
        "file": stretch(voice(9, 0.7), samples, rng),
    }


@pytest.mark.parametrize("kind", ["white", "pink", "babble", "file"])
@pytest.mark.parametrize("snr", [-10.0, -5.0, 0.0, 7.5, 20.0])
@pytest.mark.parametrize("level", [0.05, 0.9])  # quiet, and so loud that the sum leaves [-1, 1]
def test_ratio_is_exact(kind, snr, level):
    speech = voice(level=level)
    noise = noises(len(speech), np.random.default_rng(3))[kind]
    mixture = mix_at_snr(speech, noise, snr).astype(np.float64)
    # mixture = a * speech + b * noise: a and b by least squares
    (a, b), *_ = np.linalg.lstsq(np.stack([speech, noise], 1).astype(np.float64), mixture, rcond=None)
    assert 10 * np.log10(a**2 * speech_power(speech) / (b**2 * power(noise))) == pytest.approx(snr, abs=0.01)
    assert np.abs(mixture).max() <= 1 and mixture.shape == speech.shape
    assert (a < 0.999) == (np.abs(speech + b / a * noise).max() > 1.001)  # lowered only where it would leave the range


@pytest.mark.parametrize("speech, noise", [(np.zeros(100), np.ones(100)), (np.ones(100), np.zeros(100))])
def test_refuses_ratio_with_silence(speech, noise):
    with pytest.raises(VsrError, match="silence") as caught:
        mix_at_snr(speech, noise, 0)
    assert caught.value.reason == "no_sound"


@pytest.mark.parametrize("samples", [1, 40, 12_345])
def test_noise_has_its_length_and_follows_the_seed(samples):
    first, again, other = (noises(samples, np.random.default_rng(seed)) for seed in (4, 4, 5))
    for kind in first:
        assert first[kind].shape == (samples,) and np.isfinite(first[kind]).all()
        np.testing.assert_array_equal(first[kind], again[kind])
        assert samples == 1 or not np.array_equal(first[kind], other[kind])


def decay_time(room: np.ndarray) -> float:
    """T60 in seconds of a room response (N,), or of a click's sound in the room: a line fitted to its decay
    (Schroeder's integral, 1965) between -5 and -25 dB.
    """
    tail = np.asarray(room, np.float64)[round(GAP * SAMPLE_RATE) :]
    remaining = np.cumsum(tail[::-1] ** 2)[::-1]
    decibels = 10 * np.log10(np.maximum(remaining / remaining[0], 1e-20))
    first, last = (int(np.argmax(decibels <= level)) for level in (-5.0, -25.0))
    slope = np.polyfit(np.arange(first, last) / SAMPLE_RATE, decibels[first:last], 1)[0]
    return float(-60 / slope)


@pytest.mark.parametrize("t60", [0.15, 0.3, 0.6, 1.2, 3.0])
def test_click_decays_in_t60(t60):
    room = response(t60, np.random.default_rng(2))
    assert decay_time(room) == pytest.approx(t60, rel=0.02)
    click = np.zeros(len(room), np.float32)
    click[0] = 1
    assert decay_time(reverberated(click, room)) == pytest.approx(t60, rel=0.02)


@pytest.mark.parametrize("ratio", [-6.0, 0.0, 10.0])
def test_direct_path_and_tail_have_their_ratio(ratio):
    room = response(0.5, np.random.default_rng(2), ratio)
    assert 10 * np.log10(room[0] ** 2 / np.sum(room[1:] ** 2)) == pytest.approx(ratio, abs=1e-6)


def test_echo_adds_no_delay_and_keeps_length_and_level():
    wave = 0.1 * white(2 * RATE, np.random.default_rng(1))
    echoed = reverberated(wave, response(0.5, np.random.default_rng(0)))
    assert echoed.shape == wave.shape and power(echoed) == pytest.approx(power(wave), rel=1e-3)
    correlation = np.correlate(echoed, wave[1000:-1000], "valid")
    assert np.argmax(np.abs(correlation)) == 1000
    assert not np.any(reverberated(np.zeros(100, np.float32), response(0.5, np.random.default_rng(0))))


@pytest.mark.parametrize("hertz", [500, 1000, 2000, 3400, 6000])
def test_cut_off_is_where_half_the_amplitude_is_left(hertz):
    click = np.zeros(8001, np.float32)
    click[4000] = 1
    gains = np.abs(np.fft.rfft(low_passed(click, hertz)))
    frequencies = np.fft.rfftfreq(8001, 1 / RATE)
    assert frequencies[np.argmax(gains < 0.5)] == pytest.approx(hertz, rel=0.01, abs=5)
    assert np.all(np.abs(20 * np.log10(gains[frequencies < hertz - 100])) < 0.1)
    assert np.all(20 * np.log10(gains[frequencies > hertz + 120] + 1e-12) < -55)
    assert np.argmax(low_passed(click, hertz)) == 4000  # there is no delay


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_loudest_share_is_clipped_and_the_rest_unchanged(share):
    wave = voice(seconds=1.0)
    limited = clipped(wave, share)
    assert np.mean(limited != wave) == pytest.approx(share, abs=2 / len(wave))
    assert np.abs(limited).max() <= np.abs(wave[limited == wave]).max()
    assert not len(clipped(wave[:0], share))


def test_companding_has_2_to_the_bits_levels_and_eight_bits_match_g711():
    wave = np.linspace(-1, 1, 100_001, dtype=np.float32)
    for bits in (2, 4, 8):
        assert len(np.unique(companded(wave, bits))) == 2**bits - 1
    speech = voice()
    error = [10 * np.log10(power(speech) / power(companded(speech, bits) - speech)) for bits in (4, 6, 8)]
    assert error[0] < error[1] < error[2] and 33 < error[2] < 42  # G.711: about 38 dB
    assert not np.any(companded(np.zeros(5, np.float32), 8))


def test_gaps_are_silent_and_nothing_else_changes():
    wave = voice() + 1
    silent = with_gaps(wave, [(10, 20), (15, 40)])
    assert not silent[10:40].any()
    np.testing.assert_array_equal(np.delete(silent, range(10, 40)), np.delete(wave, range(10, 40)))
    assert wave[12] != 0  # the input is unchanged


def test_samples_out_of_range_lower_the_whole_wave():
    wave = np.array([0.5, -2.0, 1.0])
    np.testing.assert_allclose(within_full_scale(wave), wave / 2)
    np.testing.assert_array_equal(within_full_scale(wave / 4), (wave / 4).astype(np.float32))
