"""Pitch and loudness of a voice as asked for: exact, as long and as loud as before, nothing else is touched."""

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
    """Harmonics of a pitch that rises and falls by a tenth, between two silences."""
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(hertz * (1 + 0.1 * np.sin(2 * np.pi * 2 * time))) / RATE
    wave = sum(np.cos(k * phase) / k for k in range(1, 20) if 1.1 * k * hertz < 7000)
    return np.pad(0.05 * wave * np.hanning(len(wave)) ** 0.25, 3200).astype(np.float32)


def cents(made, wanted):
    both = (made > 0) & (wanted > 0)
    assert both.sum() > 50
    return 1200 * np.log2(made[both] / wanted[both])


@pytest.mark.parametrize("hertz", [110, 200])
@pytest.mark.parametrize("given", ["+4st", "-4st", "x1.2"])
def test_pitch_is_moved_by_what_is_asked(hertz, given):
    wave = vowel(hertz)
    made = Prosody(*pitch_of(given))(wave)
    off = cents(pitch(made), pitch(wave) * pitch_of(given)[0])
    assert np.median(np.abs(off)) < 10 and abs(np.mean(off)) < 10
    assert len(made) == len(wave) and made.dtype == np.float32
    assert np.std(made) == pytest.approx(np.std(wave), rel=1e-3)


def test_flat_is_flat_at_the_mean():
    wave = vowel(150)
    own, made = pitch(wave), pitch(shift_pitch(wave, 1.0, flat=True))
    mean = np.exp(np.log(own[own > 0]).mean())
    assert np.median(np.abs(cents(made, np.full_like(made, mean)))) < 10
    assert np.std(np.log2(made[made > 0])) < np.std(np.log2(own[own > 0])) / 3


@pytest.mark.parametrize("given", ["+3dB", "-6dB", "0.5dB"])
def test_energy_is_exact_and_leaves_the_pitch(given):
    wave = vowel(120)
    made = Prosody(decibels=energy_of(given))(wave)
    assert 20 * np.log10(np.std(made) / np.std(wave)) == pytest.approx(energy_of(given), abs=1e-3)
    assert np.allclose(made / np.std(made), wave / np.std(wave), atol=1e-5)


def test_nothing_asked_is_nothing_changed_and_what_has_no_voice_has_no_pitch():
    wave, noise = vowel(120), np.random.default_rng(0).normal(0, 1e-3, 8000).astype(np.float32)
    assert Prosody()(wave) is wave
    assert np.array_equal(shift_pitch(np.zeros(8000, np.float32), 1.5), np.zeros(8000))
    assert len(shift_pitch(noise, 1.5)) == 8000 and len(shift_pitch(wave[:7777], 1.5)) == 7777


@pytest.mark.parametrize(
    "given", ["2", "+2", "st", "x", "x0", "x9", "+99st", "x-1", "nan", "xnan", "+3dB", "higher", "٢st", "1e3st"]
)
def test_a_pitch_that_is_none_is_refused(given):
    with pytest.raises(VsrError, match="--pitch"):
        pitch_of(given)


@pytest.mark.parametrize("given", ["3", "dB", "+99dB", "-41dB", "+3db", "nandB"])
def test_an_energy_that_is_none_is_refused(given):
    with pytest.raises(VsrError, match="--energy"):
        energy_of(given)


def test_the_command_changes_the_voice_alone(tiny_voice_folder, tmp_path, capsys):
    film, waves = write_video(tmp_path / "face.mp4", talking_face(25)), []
    for more in ([], ["--energy=-6dB"]):
        out = tmp_path / "voice.wav"
        assert main(["speak", str(film), "-o", str(out), "--model", str(tiny_voice_folder), *more]) == 0
        waves.append(read_wave(out))
    assert 20 * np.log10(np.std(waves[1]) / np.std(waves[0])) == pytest.approx(-6, abs=0.05)
    assert main(["speak", str(film), "-o", str(tmp_path / "x.wav"), "--pitch", "up"]) == 2
    assert "--pitch up" in capsys.readouterr().err and not (tmp_path / "x.wav").exists()
