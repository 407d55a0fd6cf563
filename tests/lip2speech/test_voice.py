"""The acoustic model: no effect of padding and batching; a frozen encoder stays frozen; one golden number."""

import pytest
import torch

from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.voice import Voice
from lip2speech.models.voice_config import VoiceConfig
from tests.lip2speech.tiny import READER, UNITS, ramp_weights, speakers, speech_batch, tiny_voice, videos


@pytest.mark.parametrize("start", ["coarse", "noise"])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_clip_speaks_alike_alone_and_beside_a_longer_one(start, guidance):
    voice, (video, lengths), vectors = tiny_voice(start=start), videos([6, 11]), speakers(2)
    options = FlowOptions(steps=3, guidance=guidance)
    together = voice.speak(video, lengths, vectors, options, seeds=[7, 8])
    alone = voice.speak(video[:1, :6], lengths[:1], vectors[:1], options, seeds=[7])
    assert torch.allclose(together.mel[0, :24], alone.mel[0], atol=1e-4)
    assert torch.equal(together.units[0, :12], alone.units[0])


@pytest.mark.parametrize("frames", [1, 2, 7, 30])
def test_video_frame_is_four_mels_and_two_units(frames):
    video, lengths = videos([frames])
    speech = tiny_voice().speak(video, lengths, speakers(1), FlowOptions(steps=1))
    assert speech.mel.shape == (1, 4 * frames, 80) and speech.units.shape == (1, 2 * frames)


def test_no_steps_give_the_coarse_mel_whatever_the_seed():
    voice, (video, lengths), vectors = tiny_voice(), videos([5]), speakers(1)
    mels = [voice.speak(video, lengths, vectors, FlowOptions(steps=0, seed=seed)).mel for seed in (0, 1)]
    assert torch.equal(*mels)
    with_steps = [voice.speak(video, lengths, vectors, FlowOptions(steps=2, seed=seed)).mel for seed in (0, 1)]
    assert not torch.equal(*with_steps)
    without_noise = [
        voice.speak(video, lengths, vectors, FlowOptions(steps=2, seed=s, temperature=0.0)).mel for s in (0, 1)
    ]
    assert torch.equal(*without_noise)


@pytest.mark.parametrize("start", ["coarse", "noise"])
def test_detail_scales_what_the_flow_adds(start):
    voice, (video, lengths), vectors = tiny_voice(start=start), videos([5]), speakers(1)
    coarse = voice.to_mel(voice.content(voice.encode(video, lengths), lengths, vectors).coarse)
    none, quarter, full = (voice.speak(video, lengths, vectors, FlowOptions(2, detail=m)) for m in (0.0, 0.25, 1.0))
    assert torch.allclose(none.mel, coarse, atol=1e-5) and not torch.allclose(full.mel, coarse, atol=1e-2)
    assert torch.allclose(quarter.mel, coarse + 0.25 * (full.mel - coarse), atol=1e-4)
    assert torch.equal(none.units, full.units), "units are the flow's"


def test_padding_adds_nothing_to_the_losses():
    voice, batch = tiny_voice(), speech_batch([4, 9])
    torch.manual_seed(0)
    first = voice.loss(batch)
    batch.mel[0, 16:], batch.lips.video[0, 4:] = 99.0, 99.0
    torch.manual_seed(0)
    again = voice.loss(batch)
    for name in first:
        assert torch.allclose(first[name], again[name], atol=1e-4), name


def test_flow_has_no_gradient_in_the_content_model():
    voice, batch = tiny_voice(mel_weight=0.0, unit_weight=0.0, text_weight=0.0).train(), speech_batch([5])
    voice.loss(batch)["loss"].backward()
    assert all(p.grad is None or not p.grad.any() for p in voice.content.parameters())
    assert any(p.grad.any() for p in voice.velocity.parameters() if p.grad is not None)


def test_frozen_encoder_is_not_trained_and_keeps_its_statistics():
    voice = tiny_voice(encoder="frozen").train()
    before = {name: tensor.clone() for name, tensor in voice.reader.state_dict().items()}
    voice.loss(speech_batch([5, 6]))["loss"].backward()
    assert all(p.grad is None for p in voice.reader.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in voice.reader.state_dict().items())
    tuned = tiny_voice().train()
    tuned.loss(speech_batch([5, 6]))["loss"].backward()
    assert any(p.grad is not None and p.grad.any() for p in tuned.reader.frontend.parameters())


def test_stored_states_of_a_frozen_encoder_give_the_same_losses():
    voice, batch = tiny_voice(encoder="frozen"), speech_batch([5, 8])
    torch.manual_seed(0)
    from_video = voice.loss(batch)
    batch.visual = voice.encode(batch.lips.video, batch.lips.lengths)
    torch.manual_seed(0)
    from_features = voice.loss(batch)
    assert torch.allclose(from_video["loss"], from_features["loss"], atol=1e-5)


def test_without_units_there_is_no_unit_loss():
    assert "units" not in tiny_voice(units=0).loss(speech_batch([5]))


def test_normalisation_is_undone():
    voice = tiny_voice()
    voice.mel_mean.fill_(-5.0)
    voice.mel_deviation.fill_(2.0)
    mel = torch.randn(2, 12, 80)
    assert torch.allclose(voice.to_mel(voice.normalise(mel)), mel, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"target": "x0"}, {"encoder": "thawed"}, {"time": "cosine"}, {"start": "zero"}])
def test_refuses_wrong_settings(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        VoiceConfig(**wrong)


def test_golden():
    # From weights by formula (ramp_weights), torch 2.11 on a CPU; a change here is a change of the model.
    voice = ramp_weights(Voice(VoiceConfig(READER, UNITS, dim=16, layers=1, velocity_layers=1, heads=2, hidden=32)))
    video, lengths = videos([6])
    speech = voice.eval().speak(video, lengths, speakers(1), FlowOptions(steps=2, temperature=1.0, detail=1.0))
    assert speech.mel.double().square().mean().sqrt().item() == pytest.approx(GOLDEN, rel=1e-3)


GOLDEN = 0.516791
