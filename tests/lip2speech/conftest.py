"""What several tests of lip2speech need."""

import numpy as np
import pytest
import torch

from lip2speech.inference.folder import save_voice
from lip2speech.models.parts import save_part
from tests.lip2speech.tiny import UNITS, tiny_vocoder, tiny_voice
from vsr.media.units import Codebook


@pytest.fixture
def voice_like():
    """A wave (48 000,) with the rhythm of speech."""
    rng = np.random.default_rng(0)
    time = np.arange(48_000) / 16_000
    voiced = sum(np.sin(2 * np.pi * 120 * k * time + k) / k for k in range(1, 30))
    noise = np.convolve(rng.normal(size=48_000), [1, -0.9], "same")
    swell = np.clip(np.sin(2 * np.pi * 2.5 * time), 0, 1)
    return (0.1 * swell * (voiced + 0.3 * noise)).astype(np.float32)


@pytest.fixture(scope="session")
def tiny_voice_folder(tmp_path_factory):
    """A folder with a tiny acoustic model and a tiny vocoder."""
    folder = tmp_path_factory.mktemp("voice")
    save_voice(folder / "acoustic", tiny_voice(), Codebook(torch.randn(UNITS, 39), "mfcc"))
    save_part(folder / "vocoder", tiny_vocoder())
    return folder
