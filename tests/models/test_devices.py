"""Every tensor that a model makes is on the model's device, which a machine without a GPU would not notice otherwise.

New tensors are made on "meta", where nothing can be computed, while the models are on the CPU: one that was made
without asking where cannot meet the others.
"""

import numpy as np
import pytest
import torch

from lip2speech.inference.vocoding import vocode
from lip2speech.models.flow_options import FlowOptions
from lip2speech.vocoders.discriminators import Discriminators, adversarial_loss, discriminator_loss, feature_loss
from lip2speech.vocoders.losses import mel_loss, spectral_loss
from tests.lip2speech.tiny import speakers, speech_batch, tiny_vocoder, tiny_voice, videos
from vsr.core.errors import VsrError
from vsr.core.machine import find_device
from vsr.core.windows import frame_edges
from vsr.data.batch import Batch
from vsr.decoding.options import DecodeOptions
from vsr.inference.recognition import read_windows
from vsr.models.language import LanguageModel, LanguageModelConfig
from vsr.models.lipreader import LipReader, LipReaderConfig
from vsr.modelstore.folder import load_model
from vsr.objectives.registry import objective_of

SMALL = {
    "vocab_size": 7, "frontend_width": 16, "frontend_layers": 1, "frontend_heads": 2, "resnet_width": 8,
    "dim": 16, "heads": 2, "hidden": 32, "layers": 1, "kernel": 5, "decoder_layers": 1, "decoder_hidden": 16,
}  # fmt: skip


def results_here_and_elsewhere(compute):
    """What ``compute`` gives normally, and when new tensors are made on another device."""
    torch.manual_seed(0)
    expected = compute()
    torch.manual_seed(0)
    with torch.device("meta"):
        elsewhere = compute()
    return expected, elsewhere


def lip_batch():
    video, lengths = videos([12, 9])
    tokens = torch.tensor([[3, 4, 5], [4, 6, -1]])
    frame_tokens = torch.full((2, 12), -1)
    frame_tokens[0, :6], frame_tokens[1, :4] = 3, 4
    return Batch({"video": video}, lengths, {"tokens": tokens, "frame_tokens": frame_tokens}, ["a", "b"])


@pytest.mark.parametrize("method", ["joint", "ctc_beam", "ctc_greedy"])
def test_reading_windows(tiny_model, method):
    loaded, rng = load_model(tiny_model), np.random.default_rng(0)
    crops = [rng.integers(0, 255, (length, 96, 96), dtype=np.uint8) for length in (20, 15)]
    edges = [frame_edges(np.arange(len(crop)) / 25) for crop in crops]
    options = DecodeOptions(method, beam=3)
    expected, elsewhere = results_here_and_elsewhere(lambda: read_windows(loaded, crops, edges, options))
    assert expected == elsewhere and len(expected) == 2


@pytest.mark.parametrize("frontend", ["video_transformer", "resnet3d"])
@pytest.mark.parametrize("encoder", ["conformer", "av_hubert"])
def test_losses_of_a_lip_reader(frontend, encoder):
    config = LipReaderConfig(**SMALL, frontend=frontend, encoder=encoder, alignment_weight=0.5, dropout=0.0)
    model, batch = LipReader(config), lip_batch()
    expected, elsewhere = results_here_and_elsewhere(lambda: objective_of(model.config)(model, batch)["loss"])
    assert expected.isfinite() and torch.equal(expected, elsewhere)


def test_loss_of_a_language_model():
    model = LanguageModel(LanguageModelConfig(vocab_size=7, dim=16, heads=2, hidden=32, layers=1)).eval()
    tokens = torch.tensor([[3, 4, 5], [4, 6, -1]])
    expected, elsewhere = results_here_and_elsewhere(lambda: model.token_losses(tokens))
    assert torch.equal(expected, elsewhere)


def test_losses_of_a_voice():
    voice = tiny_voice(envelope_weight=1.0, drop_condition=0.5).train()
    batch = speech_batch([12, 9])
    voice.reader.eval()
    expected, elsewhere = (losses["loss"] for losses in results_here_and_elsewhere(lambda: voice.loss(batch)))
    assert expected.isfinite() and torch.equal(expected, elsewhere)


def test_speaking_and_vocoding():
    voice, vocoder, speaker = tiny_voice(), tiny_vocoder(), speakers(2)
    video, lengths = videos([12, 9])

    def spoken():
        speech = voice.speak(video, lengths, speaker, FlowOptions(steps=2, guidance=1.5))
        return vocode(vocoder, speech, speaker, lengths)

    expected, elsewhere = results_here_and_elsewhere(spoken)
    assert torch.equal(expected, elsewhere)


def test_losses_of_a_vocoder():
    discriminators = Discriminators(width=2)
    real, fake = torch.randn(2, 2, 6400)

    def losses():
        of_real, of_fake = discriminators(real), discriminators(fake)
        parts = discriminator_loss(of_real, of_fake), adversarial_loss(of_fake), feature_loss(of_real, of_fake)
        return torch.stack([*parts, mel_loss(real, fake), spectral_loss(real, fake)])

    expected, elsewhere = results_here_and_elsewhere(losses)
    assert expected.isfinite().all() and torch.equal(expected, elsewhere)


def test_missing_device_is_one_line(tiny_model):
    for name in ("nonsense", "cuda:77"):
        with pytest.raises(VsrError, match=f"device {name} cannot be used") as caught:
            load_model(tiny_model, name)
        assert "\n" not in str(caught.value)
    assert find_device("auto") in ("cpu", "cuda") and load_model(tiny_model, "cpu")
