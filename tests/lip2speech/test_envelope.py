"""The envelope correlation ranks waves like STOI, ignores padding and loudness, and is never NaN."""

import numpy as np
import pytest
import torch

from lip2speech.models.envelope import band_envelopes, envelope_correlation, third_octaves
from vsr.media.mel import log_mel


def syllables(seed=0, seconds=2):
    """Like speech: harmonics under a moving formant, with the rhythm of syllables."""
    rng, time = np.random.default_rng(seed), np.arange(16000 * seconds) / 16000
    loudness = np.clip(np.sin(2 * np.pi * 1.7 * time + rng.uniform(0, 6)), 0, 1)
    formant = 900 + 700 * np.sin(2 * np.pi * 2.3 * time + rng.uniform(0, 6))
    parts = [np.exp(-(((120 * k - formant) / 300) ** 2)) * np.sin(2 * np.pi * 120 * k * time) for k in range(1, 35)]
    return torch.tensor(loudness * sum(parts) * 0.2 + 1e-4 * rng.standard_normal(len(time)), dtype=torch.float32)


def score(wave, real, frames=None):
    frames = frames or len(real) // 160
    mask = (torch.arange(len(real) // 160) < frames)[None]
    return float(envelope_correlation(log_mel(wave)[None], log_mel(real)[None], mask))


def test_bands_are_third_octaves():
    time = torch.arange(16000) / 16000
    for hertz in (300, 600, 1200, 2400, 4000):
        envelopes = band_envelopes(log_mel(torch.sin(2 * torch.pi * hertz * time))[None])[0, :, 50]
        assert int(envelopes.argmax()) == round(3 * np.log2(hertz / 150))
    assert third_octaves().shape == (15, 80) and (third_octaves().sum(1) > 0).all()


def test_wave_correlates_with_itself_at_any_loudness():
    real = syllables()
    assert score(real, real) == pytest.approx(1, abs=1e-4)
    assert score(real * 0.2, real) == pytest.approx(1, abs=1e-2)


def test_correlation_falls_like_stoi():
    stoi = pytest.importorskip("pystoi").stoi
    real = syllables(1)
    noise = 0.2 * torch.randn(len(real), generator=torch.Generator().manual_seed(0))
    worse = [real + level * noise for level in (0.0, 0.05, 0.2, 0.6, 2.0)]
    late = [torch.roll(real, shift) for shift in (160, 480, 960)]
    for waves in (worse, [real, *late]):
        ours = [score(wave, real) for wave in waves]
        theirs = [stoi(real.numpy(), wave.numpy(), 16000) for wave in waves]
        assert ours == sorted(ours, reverse=True) and theirs == sorted(theirs, reverse=True)


def test_padding_does_not_count_and_silence_is_safe():
    real, other = syllables(2), syllables(3)
    with_noise = other.clone()
    with_noise[24000:] = torch.randn(8000)
    assert score(with_noise, real, 140) == pytest.approx(score(other, real, 140), abs=0.02)
    silence = torch.full((1, 100, 80), -11.5, requires_grad=True)
    loss = 1 - envelope_correlation(silence, silence.detach(), torch.ones(1, 100, dtype=torch.bool))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(silence.grad).all()
    assert envelope_correlation(silence[:, :20], silence[:, :20], torch.ones(1, 20, dtype=torch.bool)) == 1
