"""Conditions of the content model and the flow: no effect at first, independent of the batch, an effect once learnt."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.utils.rnn import pad_sequence

from lip2speech.conditions.conditioning import draw_used
from lip2speech.conditions.registry import conditions_of
from lip2speech.conditions.tracks import pitch_track
from lip2speech.features.dataset import NoText, SpeechDataset
from lip2speech.features.stored import Features
from lip2speech.models.flow_options import FlowOptions
from tests.lip2speech.tiny import speakers, speech_batch, tiny_voice, videos
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.media.mel import log_mel

WORDS = ("bin", "blue", "now")
KINDS = {
    "text": {"kind": "text", "words": list(WORDS), "embedding": 8},
    "text_cross": {"kind": "text_cross", "embedding": 8, "heads": 2, "layers": 2},
}
LENGTHS = [7, 12]
CLIPS = [
    Clip("a", "a.mp4", "bin now", words=(("bin", 0.02, 0.1), ("now", 0.12, 0.26))),
    Clip("b", "b.mp4", "blue", words=(("blue", 0.1, 0.4),)),
]  # fmt: skip


def values(name, clips=CLIPS, lengths=LENGTHS):
    condition = conditions_of({name: KINDS[name]})[name]
    return pad_sequence(
        [torch.from_numpy(condition.load(c, 2 * n)) for c, n in zip(clips, lengths, strict=True)], batch_first=True
    )


def voices(name):
    """A voice without the condition, and one with it as initialised."""
    before, after = tiny_voice(), tiny_voice(conditions={name: KINDS[name]})
    initial = type(after)(after.config)  # initial weights, as `tiny_voice` fills what is zero
    new = {key: tensor for key, tensor in initial.state_dict().items() if "conditions." in key}
    after.load_state_dict(new | before.state_dict())
    return before, after.eval()


def with_learnt(voice, name):
    """The voice with random weights instead of the initial zeros."""
    torch.manual_seed(3)
    for module in (voice.conditions, voice.content_conditions):
        for parameter in (module[name].project.weight, module[name].null):
            torch.nn.init.normal_(parameter)
    return voice


def speak(voice, rows=slice(None), guidance=1.0, **conditions):
    video, lengths = videos(LENGTHS)
    longest = int(lengths[rows].max())
    options = FlowOptions(steps=2, guidance=guidance)
    return voice.speak(video[rows, :longest], lengths[rows], speakers(2)[rows], options, conditions=conditions).mel


@pytest.mark.parametrize("guidance", [1.0, 1.5])
@pytest.mark.parametrize("name", KINDS)
def test_new_condition_has_no_effect(name, guidance):
    before, after = voices(name)
    expected = speak(before, guidance=guidance)
    assert torch.equal(expected, speak(after, guidance=guidance))
    assert torch.equal(expected, speak(after, guidance=guidance, **{name: values(name)}))


@pytest.mark.parametrize("name", KINDS)
def test_clip_gives_the_same_alone_and_beside_a_longer_one(name):
    voice, words = with_learnt(voices(name)[1], name), values(name)
    together = speak(voice, **{name: words})
    alone = speak(voice, slice(0, 1), **{name: values(name, CLIPS[:1], LENGTHS[:1])})
    assert torch.allclose(together[0, : 4 * 7], alone[0], atol=1e-4)


@pytest.mark.parametrize("name", KINDS)
def test_other_words_change_the_voice_and_no_words_are_no_condition(name):
    voice = with_learnt(voices(name)[1], name)
    right, none = speak(voice, **{name: values(name)}), speak(voice)
    other = [Clip("a", "a.mp4", "blue now", words=(("blue", 0.02, 0.1), ("now", 0.12, 0.26))), CLIPS[1]]
    wrong = speak(voice, **{name: values(name, other)})
    assert not torch.allclose(right, none) and not torch.allclose(right[0], wrong[0])
    assert torch.allclose(right[1], wrong[1], atol=1e-4)
    silent = [Clip("a", "a.mp4", ""), Clip("b", "b.mp4", "")]
    assert torch.allclose(speak(voice, **{name: values(name, silent)}), none, atol=1e-5)


@pytest.mark.parametrize("name", KINDS)
def test_dropped_condition_equals_a_missing_one(name):
    voice = with_learnt(voices(name)[1], name)
    for module in (voice.conditions, voice.content_conditions):
        query, all_values = torch.randn(2, 24, 16), {name: values(name)}
        partly = module.add(query, all_values, {name: torch.tensor([True, False])})
        none, whole = module.add(query, {}, None), module.add(query, all_values, None)
        assert torch.allclose(partly[1], none[1]) and torch.allclose(partly[0], whole[0])
        assert torch.allclose(module.add(query, all_values, ()), none)


@pytest.mark.parametrize("name", KINDS)
def test_gradients_reach_both_networks(name):
    voice = tiny_voice(conditions={name: KINDS[name] | {"drop": 0.0}}, encoder="frozen").train()
    batch = speech_batch(LENGTHS)
    batch.conditions = {name: values(name)}
    voice.loss(batch)["loss"].backward()
    for module in (voice.conditions, voice.content_conditions):
        assert module[name].project.weight.grad.any() and module[name].token.weight.grad.any()


def test_condition_is_dropped_with_its_probability():
    torch.manual_seed(0)
    conditions = conditions_of({"one": KINDS["text"] | {"drop": 0.25}, "two": KINDS["text"] | {"drop": 0.0}})
    kept = draw_used(conditions, 4000, torch.device("cpu"))
    assert kept["two"].all() and 0.72 < kept["one"].float().mean() < 0.78


def test_aligned_words_are_at_their_times():
    words = values("text")[0, :14]
    assert words[:, 0].tolist() == [1, 2, 2, 2, 2, 1, 4, 4, 4, 4, 4, 4, 4, 1]
    assert words[:, 1].nonzero()[:, 0].tolist() == [1, 6] and words[:, 2].nonzero()[:, 0].tolist() == [4, 12]
    assert words[1:5, 3].tolist() == [0.125, 0.375, 0.625, 0.875]
    unknown = conditions_of({"t": KINDS["text"]})["t"].load(Clip("a", "a.mp4", "x", words=(("x", 0.0, 0.1),)), 8)
    assert unknown[:, 0].tolist() == [0] * 5 + [1] * 3


def test_words_are_replaced_in_training_without_changing_their_times():
    words = values("text").repeat(200, 1, 1)
    settings = KINDS["text"] | {"wrong": 0.5, "jitter": 0}
    module = conditions_of({"t": settings})["t"].build(16).train()
    torch.manual_seed(0)
    corrupted = module.corrupted(words)
    assert torch.equal(corrupted[..., 1:], words[..., 1:]) and torch.equal(corrupted[..., 0] < 2, words[..., 0] < 2)
    changed = (corrupted[..., 0] != words[..., 0])[::2, 1:5]  # the first word of the first clip
    assert (
        changed.all(1) | ~changed.any(1)
    ).all() and 0.2 < changed.float().mean() < 0.47  # two of three are different
    module.settings = conditions_of({"t": settings | {"wrong": 0.0, "jitter": 1}})["t"]
    shifts = {tuple(shifted_words.tolist()) for shifted_words in module.corrupted(words)[::2, :, 0]}
    assert len(shifts) == 3


@pytest.mark.parametrize("wrong", [{"kernel": 4}, {"drop": 2.0}, {"jitter": -1}])
def test_refuses_impossible_settings(wrong):
    with pytest.raises((ValueError, VsrError), match=next(iter(wrong))):
        conditions_of({"text": KINDS["text"] | wrong})


def test_pitch_and_loudness_are_those_of_the_sound():
    time = torch.arange(16_000) / 16_000
    wave = sum(torch.sin(2 * torch.pi * 150 * k * time) / k for k in range(1, 20)) / 8 * (time < 0.5)
    features = Features(wave, log_mel(wave), torch.zeros(50, dtype=torch.long), torch.zeros(256))
    conditions = conditions_of({"pitch": {"kind": "pitch"}, "energy": {"kind": "energy"}})
    track, loudness = conditions["pitch"].heard(features), conditions["energy"].heard(features)
    assert track.shape == (50, 4) and loudness.shape == (50, 2)
    assert abs(track[5:20, :2]).max() < 0.05 and track[5:20, 2:].all() and not track[30:].any()
    assert loudness[5:20].min() > loudness[30:].max() + 1
    assert pitch_track(np.float32([150 * np.exp(0.35), 0, 0, 0])).tolist() == [[pytest.approx(1), 0, 1, 0], [0] * 4]


def test_values_of_a_clip_are_computed_once(tmp_path):
    clip = Clip("a", "a.mp4", "", "s", 5, "a.npy")
    np.save(tmp_path / "a.npy", np.zeros((5, 96, 96), np.uint8))
    wave = torch.randn(3200, generator=torch.Generator().manual_seed(0)) / 10
    stored = {"wave": (wave * 32767).to(torch.int16), "mel": log_mel(wave).contiguous()}
    stored |= {"speaker": speakers(1)[0].clone(), "units": torch.zeros(10, dtype=torch.int16)}
    save_file(stored, str(tmp_path / "a.safetensors"))
    calls = []

    class Counting(type(conditions_of({"e": {"kind": "energy"}})["e"])):
        def heard(self, features):
            calls.append(1)
            return super().heard(features)

    cropped_clip = replace(clip, crop=str(tmp_path / "a.npy"))
    dataset = SpeechDataset([cropped_clip], tmp_path, NoText(), None, conditions={"energy": Counting()})
    first, second = (dataset.batch([0]).conditions["energy"] for _ in range(2))
    assert torch.equal(first, second) and first.shape == (1, 10, 2) and calls == [1]
