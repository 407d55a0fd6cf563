"""The vocoder: exact lengths, no effect of padding, equal to Vocos with its weights; discriminators learn."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lip2speech.inference.vocoding import vocode
from lip2speech.models.voice import Speech
from lip2speech.vocoders.bands import band_to_bin
from lip2speech.vocoders.consistency import mel_consistent
from lip2speech.vocoders.discriminators import Discriminators, adversarial_loss, discriminator_loss, feature_loss
from lip2speech.vocoders.generator import Generator, GeneratorConfig, overlap_add
from lip2speech.vocoders.losses import blur, corrupt_mel, mel_loss, spectral_loss
from tests.lip2speech.tiny import UNITS, ramp_weights, speakers, tiny_vocoder
from vsr.media.mel import log_mel


def speech_of(frames, batch=1):
    generator = torch.Generator().manual_seed(4)
    mel = torch.randn(batch, 4 * frames, 80, generator=generator)
    return mel, torch.randint(UNITS, (batch, 2 * frames), generator=generator), speakers(batch)


@given(frames=st.integers(1, 80))
@settings(max_examples=15, deadline=None)
def test_video_frame_is_640_samples(frames):
    assert tiny_vocoder()(*speech_of(frames)).shape == (1, 640 * frames)


@pytest.mark.parametrize("rounds", [0, 2])
def test_clip_sounds_the_same_alone_and_beside_a_longer_one(rounds):
    vocoder, (mel, units, vectors) = tiny_vocoder(rounds=rounds), speech_of(20, batch=2)
    together = vocoder(mel, units, vectors, torch.tensor([7, 20]))
    alone = vocoder(mel[:1, :28], units[:1, :14], vectors[:1])
    loudest = float(alone.detach().abs().max())
    assert torch.allclose(together[0, : 7 * 640], alone[0], atol=1e-5 * loudest)
    assert not together[0, 7 * 640 :].any()


@pytest.mark.parametrize("rounds", [0, 16])
def test_chunks_of_a_long_clip_equal_the_whole(rounds, monkeypatch):
    monkeypatch.setattr("lip2speech.inference.vocoding.CHUNK", 100)
    vocoder, (mel, units, vectors) = tiny_vocoder(rounds=rounds), speech_of(210)
    with torch.inference_mode():
        whole = vocoder(mel, units, vectors)
    loudest = float(whole.abs().max().clamp(min=1))
    assert torch.allclose(vocode(vocoder, Speech(mel, units), vectors), whole, atol=1e-5 * loudest)


def test_each_round_of_consistency_brings_the_mel_nearer():
    time = torch.arange(16000) / 16000
    voiced = sum(torch.sin(2 * torch.pi * 110 * k * time) / k for k in range(1, 30)) * (1 + torch.sin(20 * time)) / 8
    mel = log_mel(voiced)
    wave = voiced * 0.3 + 0.01 * torch.randn(16000, generator=torch.Generator().manual_seed(0))
    errors = [(log_mel(mel_consistent(wave, mel, band_to_bin(), n)) - mel).abs().mean() for n in (0, 1, 4, 16)]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.4 * errors[0]
    assert torch.allclose(mel_consistent(voiced, mel, band_to_bin(), 4), voiced, atol=1e-3)


def test_overlap_add_inverts_the_spectrogram():
    wave, window = torch.randn(1, 160 * 12), torch.hann_window(640)
    padded = torch.nn.functional.pad(wave, (240, 240))
    spectrum = torch.stft(padded, 640, 160, 640, window, center=False, return_complex=True).transpose(1, 2)
    assert torch.allclose(overlap_add(spectrum, window, torch.ones(1, 12, dtype=torch.bool)), wave, atol=1e-4)


def test_vocoder_with_the_weights_of_vocos_equals_it():
    heads = pytest.importorskip("vocos.heads")
    models = pytest.importorskip("vocos.models")
    ours = Generator(GeneratorConfig(UNITS, 4, 4, 16, 32, 2, mel_skip=False)).eval()
    backbone = models.VocosBackbone(88, dim=16, intermediate_dim=32, num_layers=2).eval()
    head = heads.ISTFTHead(dim=16, n_fft=640, hop_length=160, padding="same").eval()
    weights = ours.state_dict()
    names = {"embed": "embed", "norm_in": "norm", "norm_out": "final_layer_norm"}
    vocos_weights = {
        f"{their_name}.{end}": weights[f"{our_name}.{end}"]
        for our_name, their_name in names.items()
        for end in ("weight", "bias")
    }
    block_names = {"depthwise": "dwconv", "norm": "norm", "feed_forward.0": "pwconv1", "feed_forward.2": "pwconv2"}
    for n in range(2):
        for our_name, their_name in block_names.items():
            for end in ("weight", "bias"):
                vocos_weights[f"convnext.{n}.{their_name}.{end}"] = weights[f"blocks.{n}.{our_name}.{end}"]
        vocos_weights[f"convnext.{n}.gamma"] = weights[f"blocks.{n}.scale"]
    backbone.load_state_dict(vocos_weights)
    head.load_state_dict({"out.weight": weights["head.weight"], "out.bias": weights["head.bias"]}, strict=False)
    mel, units, vectors = speech_of(9)
    with torch.inference_mode():
        expected = head(backbone(ours.inputs(mel, units, vectors).transpose(1, 2)))
        assert torch.allclose(ours(mel, units, vectors), expected, atol=1e-5)


def test_units_and_speaker_change_the_wave():
    vocoder, (mel, units, vectors) = tiny_vocoder(), speech_of(5)
    wave = vocoder(mel, units, vectors)
    assert not torch.allclose(wave, vocoder(mel, (units + 1) % UNITS, vectors))
    assert not torch.allclose(wave, vocoder(mel, units, vectors.flip(1)))
    without_units = tiny_vocoder(units=0)
    assert torch.equal(without_units(mel, units, vectors), without_units(mel, (units + 1) % UNITS, vectors))


def test_golden():
    # From weights by formula (ramp_weights), torch 2.11 on a CPU; a change here is a change of the model.
    vocoder = ramp_weights(tiny_vocoder())
    assert vocoder(*speech_of(6)).double().square().mean().sqrt().item() == pytest.approx(GOLDEN, rel=1e-3)


GOLDEN = 0.1425004


def test_discriminators_learn_to_tell_noise_from_a_tone():
    torch.manual_seed(0)
    discriminators = Discriminators(2)
    optimiser = torch.optim.Adam(discriminators.parameters(), 5e-3)
    time = torch.arange(6400) / 16_000
    real, fake = torch.sin(2 * torch.pi * 300 * time)[None].repeat(2, 1), torch.randn(2, 6400)
    losses = []
    for _ in range(30):
        loss = discriminator_loss(discriminators(real), discriminators(fake))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert adversarial_loss(discriminators(fake)) > adversarial_loss(discriminators(real))
    of_real, of_fake = discriminators(real), discriminators(fake)
    assert feature_loss(of_real, of_real) == 0 < feature_loss(of_real, of_fake)


def test_spectral_losses_are_zero_for_equal_waves_and_grow():
    wave = torch.randn(1, 6400) * 0.1
    for loss in (mel_loss, spectral_loss):
        near, far = loss(wave, wave + 1e-3 * torch.randn_like(wave)), loss(wave, torch.randn_like(wave))
        assert loss(wave, wave) == 0 < near < far


def test_mel_corruption_keeps_shape_and_mean():
    mel, generator = torch.randn(3, 20, 80), torch.Generator().manual_seed(0)
    assert torch.equal(corrupt_mel(mel, 0.0, 1.0, generator), mel)
    corrupted = corrupt_mel(mel, 1.0, 0.5, generator)
    assert corrupted.shape == mel.shape and not torch.equal(corrupted, mel)
    flat = torch.full((20, 80), 3.0)
    assert torch.allclose(blur(flat, 0.8), flat, atol=1e-5), "a blur keeps the mean, at the edges too"
    assert blur(mel[0], 1.0).std() < 0.6 * mel[0].std()
