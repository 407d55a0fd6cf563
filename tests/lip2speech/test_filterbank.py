"""The linear maps of the spectral features agree with the usual libraries."""

import librosa
import numpy as np
import pytest
import torch

from vsr.media.filterbank import cosines, differences, mel_filters


def test_mel_filters_agree_with_librosa():
    expected = librosa.filters.mel(sr=16_000, n_fft=640, n_mels=80, fmin=0, fmax=8000, htk=False, norm="slaney")
    np.testing.assert_allclose(mel_filters(321, 8000.0, 80), expected, atol=1e-7)


def test_cosines_are_orthonormal_and_agree_with_scipy():
    from scipy.fft import dct

    table = cosines(80, 80)
    torch.testing.assert_close(table.T @ table, torch.eye(80), atol=1e-5, rtol=0)
    mel = np.random.default_rng(0).normal(size=(5, 80)).astype(np.float32)
    np.testing.assert_allclose(mel @ cosines(13, 80).numpy(), dct(mel, norm="ortho")[:, :13], atol=1e-5)


def test_differences_are_the_slope_of_a_line():
    line = torch.arange(20.0)[None] * torch.tensor([[0.5], [-2.0]])
    torch.testing.assert_close(differences(line)[:, 2:-2], torch.tensor([[0.5], [-2.0]]).expand(2, 16))


def test_filters_agree_with_torchaudio():
    torchaudio = pytest.importorskip(
        "torchaudio.functional", reason="torchaudio is not installed", exc_type=(ImportError, OSError)
    )
    assert torch.equal(
        mel_filters(321, 8000.0, 80).T, torchaudio.melscale_fbanks(321, 0.0, 8000.0, 80, 16_000, "slaney", "slaney")
    )
    assert torch.equal(cosines(13, 80), torchaudio.create_dct(13, 80, "ortho"))
    clip = torch.randn(13, 150, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(differences(clip), torchaudio.compute_deltas(clip), atol=1e-6, rtol=0)
