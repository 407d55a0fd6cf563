"""Pitch and loudness of a voice are changed as asked: exactly, at the same length, and nothing else."""

import numpy as np
import pytest

from lip2speech.cli import main
from lip2speech.features.pitch import pitch
from lip2speech.inference.pitch_shifting import shift_pitch
from lip2speech.inference.prosody import Prosody, energy_of, pitch_of
from tests.conftest import talking_face, write_video
from vsr.core.errors import VsrError
from vsr.media.audio import read_wave

RATE = 16_000


def vowel(hertz, seconds=1.0):
    """Harmonics of a pitch that varies by a tenth, between two silences."""
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(hertz * (1 + 0.1 * np.sin(2 * np.pi * 2 * time))) / RATE
    wave = sum(np.cos(k * phase) / k for k in range(1, 20) if 1.1 * k * hertz < 7000)
    return np.pad(0.05 * wave * np.hanning(len(wave)) ** 0.25, 3200).astype(np.float32)


def cents(actual, expected):
    voiced = (actual > 0) & (expected > 0)
    assert voiced.sum() > 50
    return 1200 * np.log2(actual[voiced] / expected[voiced])


@pytest.mark.parametrize("hertz", [110, 200])
@pytest.mark.parametrize("option", ["+4st", "-4st", "x1.2"])
def test_pitch_is_shifted_as_asked(hertz, option):
    wave = vowel(hertz)
    shifted = Prosody(*pitch_of(option))(wave)
    errors = cents(pitch(shifted), pitch(wave) * pitch_of(option)[0])
    assert np.median(np.abs(errors)) < 10 and abs(np.mean(errors)) < 10
    assert len(shifted) == len(wave) and shifted.dtype == np.float32
    assert np.std(shifted) == pytest.approx(np.std(wave), rel=1e-3)


def test_flat_pitch_is_the_mean():
    wave = vowel(150)
    before, after = pitch(wave), pitch(shift_pitch(wave, 1.0, flat=True))
    mean = np.exp(np.log(before[before > 0]).mean())
    assert np.median(np.abs(cents(after, np.full_like(after, mean)))) < 10
    assert np.std(np.log2(after[after > 0])) < np.std(np.log2(before[before > 0])) / 3


@pytest.mark.parametrize("option", ["+3dB", "-6dB", "0.5dB"])
def test_energy_is_exact_and_keeps_the_pitch(option):
    wave = vowel(120)
    louder = Prosody(decibels=energy_of(option))(wave)
    assert 20 * np.log10(np.std(louder) / np.std(wave)) == pytest.approx(energy_of(option), abs=1e-3)
    assert np.allclose(louder / np.std(louder), wave / np.std(wave), atol=1e-5)


def test_no_change_returns_the_wave_and_unvoiced_sound_has_no_pitch():
    wave, noise = vowel(120), np.random.default_rng(0).normal(0, 1e-3, 8000).astype(np.float32)
    assert Prosody()(wave) is wave
    assert np.array_equal(shift_pitch(np.zeros(8000, np.float32), 1.5), np.zeros(8000))
    assert len(shift_pitch(noise, 1.5)) == 8000 and len(shift_pitch(wave[:7777], 1.5)) == 7777


@pytest.mark.parametrize(
    "option", ["2", "+2", "st", "x", "x0", "x9", "+99st", "x-1", "nan", "xnan", "+3dB", "higher", "٢st", "1e3st"]
)
def test_refuses_impossible_pitch(option):
    with pytest.raises(VsrError, match="--pitch"):
        pitch_of(option)


@pytest.mark.parametrize("option", ["3", "dB", "+99dB", "-41dB", "+3db", "nandB"])
def test_refuses_impossible_energy(option):
    with pytest.raises(VsrError, match="--energy"):
        energy_of(option)


def test_speak_changes_only_the_voice(tiny_voice_folder, tmp_path, capsys):
    video, waves = write_video(tmp_path / "face.mp4", talking_face(25)), []
    for options in ([], ["--energy=-6dB"]):
        out = tmp_path / "voice.wav"
        assert main(["speak", str(video), "-o", str(out), "--model", str(tiny_voice_folder), *options]) == 0
        waves.append(read_wave(out))
    assert 20 * np.log10(np.std(waves[1]) / np.std(waves[0])) == pytest.approx(-6, abs=0.05)
    assert main(["speak", str(video), "-o", str(tmp_path / "x.wav"), "--pitch", "up"]) == 2
    assert "--pitch up" in capsys.readouterr().err and not (tmp_path / "x.wav").exists()
