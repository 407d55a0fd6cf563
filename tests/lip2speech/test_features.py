"""Mel, units and pitch are on the clock; the mel agrees with librosa."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lip2speech.features.pitch import pitch
from vsr.core.errors import VsrError
from vsr.media.mel import log_mel, mel_filters
from vsr.media.units import Cepstra, Codebook, Hubert, Mfcc, fit_codebook, open_extractor


def sweep(frames):
    """A tone that rises from 100 Hz: (640 frames,)."""
    time = torch.arange(640 * frames) / 16_000
    return 0.3 * torch.sin(2 * torch.pi * (100 * time + 200 * time**2))


@given(frames=st.integers(1, 90))
@settings(max_examples=20, deadline=None)
def test_video_frame_is_four_mels_and_two_units(frames):
    wave = sweep(frames)
    assert log_mel(wave).shape == (4 * frames, 80)
    assert Mfcc().frames(wave).shape == (2 * frames, 39)


def test_mel_of_a_batch_is_that_of_each_wave():
    waves = torch.stack([sweep(5), sweep(5).flip(0)])
    assert torch.equal(log_mel(waves)[1], log_mel(waves[1]))


def test_mel_agrees_with_librosa():
    import librosa

    wave = sweep(7).numpy()
    spectrum = np.abs(librosa.stft(wave, n_fft=640, hop_length=160, pad_mode="reflect"))
    filters = librosa.filters.mel(sr=16_000, n_fft=640, n_mels=80, fmin=0, fmax=8000)
    expected = np.log(np.maximum(filters @ spectrum, 1e-5)).T[:-1]
    assert np.abs(log_mel(torch.from_numpy(wave)).numpy() - expected).max() < 3e-3


def test_mel_in_double_precision_is_exact_in_quiet_bands():
    import librosa

    wave = sweep(4).double()  # hardly anything above 500 Hz
    spectrum = np.abs(librosa.stft(wave.numpy(), n_fft=640, hop_length=160, pad_mode="reflect", dtype=np.complex128))
    expected = np.log(np.maximum(mel_filters().double().numpy() @ spectrum, 1e-5)).T[:-1]
    mel = log_mel(wave)
    assert mel.dtype == torch.float64 and np.abs(mel.numpy() - expected).max() < 1e-9


def test_mel_golden():
    # Computed once with librosa 0.11 as in the test above: sweep(4), frame 8, every fourth of the first 32 bands.
    golden = [-4.5783, -2.1654, -7.063, -8.7402, -9.7857, -10.5445, -11.1357, -11.5129]
    assert np.allclose(log_mel(sweep(4))[8, :32:4], golden, atol=2e-3)


def test_filters_do_not_depend_on_the_default_device():
    mel_filters.cache_clear()
    with torch.device("meta"):
        assert mel_filters().device.type == "cpu"


def test_mel_of_silence_is_the_floor_and_odd_lengths_are_refused():
    assert torch.allclose(log_mel(torch.zeros(640)), torch.tensor(1e-5).log())
    with pytest.raises(ValueError, match="multiple"):
        log_mel(torch.zeros(641))
    with pytest.raises(ValueError, match="too few"):
        log_mel(torch.zeros(320))


def test_pitch_follows_a_voice():
    time = np.arange(16_000) / 16_000
    voice = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 12)).astype(np.float32) * 0.1
    hz = pitch(voice)
    assert hz.shape == (100,)
    assert np.median(np.abs(hz[hz > 0] - 150)) < 2 and (hz > 0).mean() > 0.8


def test_codebook_is_read_back_and_damage_refused(tmp_path):
    waves = [sweep(20).numpy(), np.random.default_rng(0).normal(0, 0.1, 12_800).astype(np.float32)]
    codebook = fit_codebook(Mfcc(), waves, 8)
    codebook.save(tmp_path / "units.safetensors")
    reloaded = Codebook.load(tmp_path / "units.safetensors")
    frames = Mfcc().frames(sweep(9))
    assert reloaded.extractor == "mfcc" and torch.equal(reloaded.units(frames), codebook.units(frames))
    assert len(set(codebook.units(frames).tolist())) > 1
    (tmp_path / "units.safetensors").write_bytes(b"not a codebook")
    with pytest.raises(VsrError, match="codebook"):
        Codebook.load(tmp_path / "units.safetensors")


def test_cepstra_are_mfccs_scaled_in_each_clip():
    noise = np.random.default_rng(0).normal(0, 0.1, 12_800) * np.linspace(0, 1, 12_800)
    wave = torch.from_numpy(noise.astype(np.float32))
    scaled, mfccs = open_extractor("cepstra").frames(wave), Mfcc().frames(wave)[:, :13]
    assert scaled.shape == (40, 13) and torch.allclose(scaled.std(0, correction=0), torch.ones(13), atol=0.01)
    assert torch.allclose(scaled * mfccs.std(0, correction=0), mfccs, atol=0.01)
    assert torch.allclose(scaled, Cepstra().frames(3 * wave), atol=0.2)  # the floor of the log-mel is not scaled
    assert Cepstra().frames(torch.zeros(6400)).abs().max() < 0.1  # silence: rounding, in units of 1


def test_refuses_more_units_than_frames():
    with pytest.raises(VsrError, match="cannot make"):
        fit_codebook(Mfcc(), [sweep(2).numpy()], 100)


@pytest.mark.parametrize("name", ["mfccs", "hubert", "hubert:x", "hubert:x:six", ""])
def test_refuses_unknown_extractor(name):
    with pytest.raises(VsrError, match="extractor"):
        open_extractor(name)


@pytest.fixture(scope="module")
def tiny_hubert(tmp_path_factory):
    """A HuBERT of the real class with random weights."""
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("hubert")
    HubertModel(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("frames", [2, 3, 25, 62])
def test_hubert_gives_two_units_per_frame(tiny_hubert, frames):
    extractor = open_extractor(f"hubert:{tiny_hubert}:1")
    assert extractor.frames(sweep(frames)).shape == (2 * frames, 16)


def test_refuses_missing_hubert_layer_or_model(tiny_hubert, tmp_path):
    with pytest.raises(VsrError, match="layers 0 to 2"):
        Hubert(str(tiny_hubert), 3)
    with pytest.raises(VsrError, match="no HuBERT"):
        Hubert(str(tmp_path), 1)
