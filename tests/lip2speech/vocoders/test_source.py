"""The source of harmonics and noise: exact pitch, band limit, mel is kept, no effect of padding."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lip2speech.features.pitch import pitch
from lip2speech.inference.folder import load_vocoder
from lip2speech.models.parts import save_part
from lip2speech.vocoders.excitation import HIGHEST, harmonics, sampled
from lip2speech.vocoders.generator import GeneratorConfig
from lip2speech.vocoders.source import HIGHEST as HIGHEST_PITCH
from lip2speech.vocoders.source import LOWEST, PITCHES, Harmonic
from tests.lip2speech.test_vocoder import speech_of
from tests.lip2speech.tiny import UNITS, tiny_vocoder
from vsr.core.clock import HOP, SAMPLE_RATE
from vsr.media.mel import log_mel

ALL = torch.ones(1, 100, dtype=torch.bool)


def constant(hertz, frames=100):
    return torch.full((1, frames), float(hertz))


@given(hertz=st.floats(60, 450))
@settings(max_examples=20, deadline=None)
def test_peaks_of_a_constant_pitch_are_its_multiples_below_the_limit(hertz):
    wave = harmonics(constant(hertz), ALL)[0].double()
    power = torch.fft.rfft(wave * torch.hann_window(len(wave), dtype=torch.float64)).abs() ** 2
    bins = SAMPLE_RATE / len(wave)  # Hz, 1 here
    for k in range(1, int(HIGHEST / hertz)):
        around = slice(int((k - 0.5) * hertz / bins), int((k + 0.5) * hertz / bins))
        assert abs((around.start + int(power[around].argmax())) * bins - k * hertz) <= bins
    assert power[int((HIGHEST + 5) / bins) :].sum() < 1e-4 * power.sum()
    assert float(wave.square().mean()) == pytest.approx(1, abs=0.1)


def test_gliding_pitch_is_followed():
    expected = 120 * 2 ** (torch.linspace(0, 1, 100)[None])
    measured = pitch(harmonics(expected, ALL)[0].numpy() * np.float32(0.1))
    cents = 1200 * np.log2(measured[5:-5] / expected[0, 5:-5].numpy())
    assert np.abs(cents).max() < 20


def test_samples_take_the_voicing_of_the_nearest_frame_and_pitch_of_voiced_neighbours():
    f0 = torch.tensor([[0.0, 100, 200, 0]])
    pitch_of_samples = sampled(f0, torch.ones(1, 4, dtype=torch.bool))[0]
    assert (
        not pitch_of_samples[:80].any() and (pitch_of_samples[80:160] == 100).all() and not pitch_of_samples[400:].any()
    )
    assert pitch_of_samples[240] == 150 and (pitch_of_samples[320:400] == 200).all()


def test_phase_restarts_with_each_voiced_stretch():
    f0 = constant(130, 60)
    f0[:, 20:30] = 0
    whole = harmonics(f0, ALL[:, :60])[0]
    piece = harmonics(f0[:, 25:], ALL[:, :35])[0]
    assert torch.allclose(whole[25 * HOP :], piece, atol=1e-4)


def test_untrained_source_keeps_the_mel():
    time = torch.arange(32_000) / SAMPLE_RATE
    wave = sum(torch.sin(2 * torch.pi * 110 * k * time) / k for k in range(1, 60)) / 8
    noise = torch.randn(32_000, generator=torch.Generator().manual_seed(0))
    wave = wave * (1 + 0.5 * torch.sin(9 * time)) + 0.01 * noise
    vocoder, mel = tiny_vocoder(source="harmonic"), log_mel(wave)[None]
    with torch.inference_mode():
        wave_made = vocoder(mel, torch.zeros(1, 100, dtype=torch.long), torch.zeros(1, 256), f0=constant(110, 200))
    error = (log_mel(wave_made) - mel)[0, 4:-4]
    assert abs(float(error.mean())) < 0.1 and float(error.mean(0).abs().mean()) < 0.2


def test_without_pitch_there_is_only_noise():
    vocoder, (mel, units, vectors) = tiny_vocoder(source="harmonic"), speech_of(25)
    mel = mel * 0 - 2.0
    with torch.inference_mode():
        silent, voiced = (vocoder(mel, units, vectors, f0=f0) for f0 in (constant(0), constant(140)))
    assert not pitch(silent[0].numpy()).any()
    assert (pitch(voiced[0].numpy()) > 0).mean() > 0.9


@pytest.mark.parametrize("given_f0", [True, False])
def test_clip_sounds_the_same_alone_and_beside_a_longer_one(given_f0):
    vocoder, (mel, units, vectors) = tiny_vocoder(source="harmonic"), speech_of(20, batch=2)
    f0 = torch.where(torch.arange(80) % 30 < 20, 150.0, 0.0).repeat(2, 1) if given_f0 else None
    together = vocoder(mel, units, vectors, torch.tensor([7, 20]), f0)
    alone = vocoder(mel[:1, :28], units[:1, :14], vectors[:1], None, None if f0 is None else f0[:1, :28])
    # With a predicted pitch, the phase of the highest harmonic is 14,000 radians on, and float32 has seven digits.
    difference = (together[0, : 7 * 640] - alone[0]).square().mean().sqrt()
    assert difference < (1e-5 if given_f0 else 2e-3) * alone[0].square().mean().sqrt()
    assert not together[0, 7 * 640 :].any()


def test_part_of_a_clip_has_its_noise():
    vocoder, (mel, units, vectors) = tiny_vocoder(source="harmonic"), speech_of(40)
    with torch.inference_mode():
        whole = vocoder(mel, units, vectors, f0=constant(0, 160))
        piece = vocoder(mel[:, 40:], units[:, 20:], vectors, f0=constant(0, 120), first=40)
    assert torch.allclose(whole[:, 80 * HOP :], piece[:, 40 * HOP :], atol=1e-4)


def test_predicted_pitch_is_the_learnt_one():
    """If the classes are what the losses want, the predicted pitch is the true one, and the losses are least."""
    source, true = Harmonic(PITCHES + 1), torch.tensor([[0.0, 60, 111, 237, 480]])
    position = (true.clamp(min=LOWEST) / LOWEST).log() / np.log(HIGHEST_PITCH / LOWEST) * (PITCHES - 1)
    share = (1 - (position[..., None] - torch.arange(PITCHES)).abs()).clamp(min=1e-9)
    x = torch.cat([share.log(), torch.where(true > 0, 9.0, -9.0)[..., None]], -1)
    with torch.no_grad():
        source.pitch.weight.copy_(torch.eye(PITCHES + 1))
        source.pitch.bias.zero_()
    predicted = source.f0(x)
    assert predicted[0, 0] == 0 and (1200 * (predicted[0, 1:] / true[0, 1:]).log2()).abs().max() < 3
    losses, others = source.losses(x, true), source.losses(x, true.flip(1))
    assert losses["pitch"] < others["pitch"] and losses["voiced"] < 1e-3 < others["voiced"]


def test_pitch_of_a_corrupted_mel_is_predicted_in_training():
    source, x, f0 = Harmonic(8), torch.randn(2, 5, 8), torch.full((2, 5), 222.0)
    chosen = source.chosen(x, f0, torch.tensor([True, False]))
    assert (chosen[0] == 222).all() and torch.equal(chosen[1], source.f0(x)[1])


def test_gradients_reach_every_weight():
    vocoder, (mel, units, vectors) = tiny_vocoder(source="harmonic").train(), speech_of(10)
    mask = torch.ones(1, 40, dtype=torch.bool)
    f0 = constant(150, 40)
    torch.nn.init.normal_(vocoder.head.weight, std=0.01)
    x = vocoder.backbone(mel, units, vectors, mask)
    (vocoder.wave(x, mel, mask, f0).square().sum() + sum(vocoder.source.losses(x, f0).values())).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in vocoder.parameters())
    assert vocoder.head.weight.grad.any() and vocoder.source.pitch.weight.grad.any()


def test_source_is_stored_and_earlier_vocoders_have_none(tmp_path):
    save_part(tmp_path / "a", tiny_vocoder(source="harmonic"))
    loaded, config = load_vocoder(tmp_path / "a")
    assert config["model"]["source"] == "harmonic" and loaded.source.pitched
    assert GeneratorConfig().source == "none" and not any("source" in name for name in tiny_vocoder().state_dict())


@pytest.mark.parametrize("wrong", [{"source": "harmonics"}, {"source": "harmonic", "mel_skip": False}])
def test_refuses_impossible_settings(wrong):
    with pytest.raises(ValueError, match="source"):
        GeneratorConfig(units=UNITS, **wrong)
