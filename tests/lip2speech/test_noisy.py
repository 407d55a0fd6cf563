"""Noisy sound as a condition: noise has its ratio, no effect untrained, refused where it cannot be used."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lip2speech.cli import main
from lip2speech.conditions.registry import conditions_of
from lip2speech.features.dataset import NoText, SpeechDataset
from lip2speech.features.stored import Features
from lip2speech.inference.dubbing import SpeakOptions, speak
from lip2speech.inference.folder import load_model, save_voice
from lip2speech.inference.masking import mask_gains, masked, snr_of_mels
from lip2speech.inference.snr import choose_output, snr_from_lips
from lip2speech.inference.sound_conditions import conditions_of_sound
from lip2speech.inference.synthesis_options import SynthesisOptions
from lip2speech.inference.synthesizer import load_speech
from lip2speech.inference.voicing import voice_crop
from lip2speech.inference.voicing_inputs import VoicingInputs
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.parts import save_part
from tests.conftest import talking_face, write_video
from tests.lip2speech.tiny import UNITS, speakers, tiny_vocoder, tiny_voice
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import read_wave, write_wave
from vsr.media.mel import log_mel
from vsr.media.mixing import snr
from vsr.media.mux.mux import mux
from vsr.media.units import Codebook

NOISY = {"noisy": {"kind": "noisy"}}


def sound(seed, samples=6400):
    return (np.random.default_rng(seed).standard_normal(samples) / 20).astype(np.float32)


def features(wave):
    samples = torch.from_numpy(wave)
    return Features(samples, log_mel(samples), torch.zeros(len(wave) // 320, dtype=torch.long), speakers(1)[0])


def store_clip(folder, name, wave):
    extracted = features(wave)
    stored = {
        "wave": (extracted.wave * 32767).to(torch.int16),
        "mel": extracted.mel.contiguous(),
        "speaker": extracted.speaker.clone(),
    }
    save_file(stored | {"units": extracted.units.to(torch.int16)}, str(folder / f"{name}.safetensors"))
    np.save(folder / f"{name}.npy", np.zeros((len(wave) // 640, 96, 96), np.uint8))
    return Clip(name, f"{name}.mp4", "", "s", len(wave) // 640, str(folder / f"{name}.npy"))


@pytest.fixture(scope="module")
def noisy_voice_folder(tmp_path_factory):
    """A voice with the condition, all of whose weights are non-zero."""
    folder = tmp_path_factory.mktemp("hearing")
    save_voice(folder / "acoustic", tiny_voice(conditions=NOISY), Codebook(torch.randn(UNITS, 39), "mfcc"))
    save_part(folder / "vocoder", tiny_vocoder())
    return folder


@pytest.mark.parametrize("decibels", [-10.0, 0.0, 15.0])
@pytest.mark.parametrize("kind", ["white", "babble"])
def test_noise_has_the_drawn_ratio(kind, decibels):
    condition = conditions_of({"n": {"kind": "noisy", "kinds": [kind], "snr": [decibels, decibels], "clean": 0.0}})["n"]
    clean, others = sound(0), {"b": sound(1), "c": sound(2)}
    drawn = condition.corruption.draw(["a", "b", "c"], np.random.default_rng(4), "a")
    assert drawn.noise == kind and (drawn.voices == () or set(drawn.voices) == {"b", "c"})
    wave = drawn.wave(clean, others.__getitem__)
    assert snr(clean, wave - clean) == pytest.approx(decibels, abs=0.01)
    value = condition.corrupted(features(clean), "a", ["a", "b", "c"], others.__getitem__, np.random.default_rng(4))
    assert np.allclose(value, condition.of_wave(wave)) and value.shape == (20, 160)


def test_clean_sound_and_silence_are_given_unchanged():
    condition = conditions_of({"n": {"kind": "noisy", "clean": 1.0}})["n"]
    for wave in (sound(0), np.zeros(6400, np.float32)):
        value = condition.corrupted(features(wave), "a", ["a"], None, np.random.default_rng(0))
        assert np.array_equal(value, condition.of_wave(wave))
    silent = conditions_of({"n": {"kind": "noisy", "clean": 0.0, "kinds": ["white"]}})["n"]
    nothing = np.zeros(6400, np.float32)
    value = silent.corrupted(features(nothing), "a", ["a"], None, np.random.default_rng(0))
    assert np.array_equal(value, silent.of_wave(nothing))


def test_noise_depends_on_epoch_and_clip_but_not_on_the_batch(tmp_path):
    clips = [store_clip(tmp_path, name, sound(seed)) for seed, name in enumerate("abc")]
    dataset = SpeechDataset(clips, tmp_path, NoText(), None, conditions=conditions_of(NOISY))
    first, again, later = (dataset.batch([0, 1], epoch).conditions["noisy"] for epoch in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, later)
    assert torch.equal(dataset.batch([1], 0).conditions["noisy"][0], first[1])


@pytest.mark.parametrize(
    "wrong", [{"snr": [0]}, {"snr": [0, "x"]}, {"drop": 2}, {"kinds": ["none.wav"]}, {"clean": -1}]
)
def test_refuses_impossible_settings(wrong):
    with pytest.raises((ValueError, VsrError), match=next(iter(wrong))):
        conditions_of({"noisy": {"kind": "noisy"} | wrong})


def test_new_condition_has_no_effect_and_a_learnt_one_does():
    before, after = tiny_voice(), tiny_voice(conditions=NOISY)
    initial = type(after)(after.config)
    new = {key: tensor for key, tensor in initial.state_dict().items() if "conditions." in key}
    visual, lengths = torch.randn(1, 10, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([10])

    def mel(voice, wave=None):
        conditions = {} if wave is None else conditions_of_sound(voice.condition_settings, [wave], torch.device("cpu"))
        return voice.speak_features(visual, lengths, speakers(1), FlowOptions(2), conditions=conditions).mel

    with_sound, without_sound = mel(after, sound(0)), mel(after)
    assert not torch.allclose(with_sound, without_sound) and not torch.allclose(with_sound, mel(after, sound(1)))
    after.load_state_dict(new | before.state_dict())
    assert torch.equal(mel(after, sound(0)), mel(before))


def test_each_window_of_a_long_clip_gets_its_sound(noisy_voice_folder):
    loaded = load_model(noisy_voice_folder)
    crop, wave = np.random.default_rng(0).integers(0, 255, (520, 96, 96), np.uint8), sound(3, 520 * 640)
    options = FlowOptions(steps=1, temperature=0.0)
    whole = voice_crop(loaded, crop, speakers(1), VoicingInputs(options, sound=wave))
    last = wave.copy()
    last[-6400:] = 0
    other = voice_crop(loaded, crop, speakers(1), VoicingInputs(options, sound=last))
    assert torch.equal(whole.mel[:, :800], other.mel[:, :800]) and not torch.allclose(whole.mel, other.mel)


def test_mask_never_amplifies_and_keeps_clean_sound():
    wave = sound(0)
    mel = log_mel(torch.from_numpy(wave))
    assert np.allclose(masked(wave, mel)[640:-640], wave[640:-640], atol=1e-5)
    assert np.allclose(masked(wave, mel + 1), masked(wave, mel))
    assert np.allclose(masked(wave, mel - 1)[640:-640], wave[640:-640] / np.e, atol=1e-4)
    gains = mask_gains(mel, torch.randn_like(mel))
    assert gains.min() >= 0 and gains.max() <= 1 + 1e-6 and gains.shape == (40, 321)


def test_ratio_is_that_of_the_powers():
    noisy = torch.zeros(4, 80)
    assert snr_of_mels(noisy, noisy + 0.5 * np.log(0.5)) == pytest.approx(0, abs=1e-4)
    assert snr_of_mels(noisy, noisy + 0.5 * np.log(1 / 11)) == pytest.approx(-10, abs=1e-3)
    assert snr_of_mels(noisy, noisy) == pytest.approx(30, abs=0.01)


def resting(frames=40):
    """The mel of lips that speak in the middle half, and that half as (640 T,) bool."""
    lips = torch.full((4 * frames, 80), -8.0)
    lips[frames : 3 * frames] = -2.0
    return lips, np.repeat((lips[:, 0] > -5).numpy(), 160)


@pytest.mark.parametrize("ratio", [-10, 0, 15])
def test_ratio_is_estimated_from_the_sound_while_lips_rest(ratio):
    lips, spoken = resting()
    rng = np.random.default_rng(0)
    speech, noise = (rng.standard_normal(len(spoken)) for _ in range(2))
    wave = (speech * spoken * 10 ** (ratio / 20) + noise).astype(np.float32) / 50
    assert snr_from_lips(wave, lips) == pytest.approx(ratio, abs=1.5)
    assert choose_output(wave, lips) == ("made" if ratio < 1 else "mask")


def test_without_rest_or_sound_a_mask_is_chosen():
    lips, spoken = resting()
    wave = sound(0, len(spoken))
    assert snr_from_lips(wave, torch.zeros(160, 80)) is None and choose_output(wave, torch.zeros(160, 80)) == "mask"
    assert snr_from_lips(np.zeros_like(wave), lips) is None
    assert snr_from_lips(wave * spoken, lips) == 30 and snr_from_lips(wave * ~spoken, lips) == -30


def test_auto_is_the_better_of_the_two(noisy_voice_folder, tmp_path, monkeypatch):
    silent, wave = write_video(tmp_path / "silent.mp4", talking_face(36)), sound(3, 36 * 640)
    mux(silent, wave, tmp_path / "noisy.mp4")
    loaded = load_model(noisy_voice_folder)
    masks, voiced = (
        speak(loaded, tmp_path / "noisy.mp4", options=SpeakOptions(noisy=mode)).wave for mode in ("mask", "made")
    )
    for chosen, expected in (("mask", masks), ("made", voiced)):
        monkeypatch.setattr("lip2speech.inference.voicing.choose_output", lambda *arguments, choice=chosen: choice)
        assert np.array_equal(speak(loaded, tmp_path / "noisy.mp4", options=SpeakOptions(noisy="auto")).wave, expected)


def test_refuses_voice_without_the_condition_and_video_without_sound(
    tiny_voice_folder, noisy_voice_folder, tmp_path, capsys
):
    video = write_video(tmp_path / "silent.mp4", talking_face(36))
    for model, message in ((tiny_voice_folder, "condition of kind noisy"), (noisy_voice_folder, "has no sound")):
        options = ["--noisy", "--model", str(model), "--text", "none"]
        assert main(["speak", str(video), "-o", str(tmp_path / "out.wav"), *options]) == 1
        errors = capsys.readouterr().err
        assert message in errors and errors.strip().count("\n") == 0 and not (tmp_path / "out.wav").exists()


def test_mask_filters_the_recording_and_made_replaces_it(noisy_voice_folder, tmp_path):
    """A masked recording is never louder than the original, except for the smear of its windows."""
    silent, wave = write_video(tmp_path / "silent.mp4", talking_face(36)), sound(3, 36 * 640)
    mux(silent, wave, tmp_path / "noisy.mp4")
    loaded, recorded = load_model(noisy_voice_folder), read_wave(tmp_path / "noisy.mp4", 36)
    masks, voiced = (
        speak(loaded, tmp_path / "noisy.mp4", options=SpeakOptions(noisy=mode)).wave for mode in ("mask", "made")
    )
    for out, mode_options, expected in (("a.wav", ["--noisy", "mask"], masks), ("b.wav", ["--noisy", "made"], voiced)):
        options = ["-o", str(tmp_path / out), "--model", str(noisy_voice_folder), *mode_options]
        assert main(["speak", str(tmp_path / "noisy.mp4"), *options]) == 0
        assert np.allclose(read_wave(tmp_path / out), np.clip(expected, -1, 1), atol=1e-3)
    assert len(masks) == len(voiced) == len(recorded) and not np.allclose(masks, voiced)
    assert np.square(masks).sum() <= np.square(recorded).sum() * 1.01

    with pytest.raises(VsrError, match="auto, mask, made"):
        SynthesisOptions(noisy="both")


def test_manifest_is_cleaned_clip_by_clip(noisy_voice_folder, tmp_path):
    lengths = {"a": 12, "b": 20}
    clips = [store_clip(tmp_path, name, sound(seed, 640 * lengths[name])) for seed, name in enumerate(lengths)]
    for clip in clips:
        write_wave(tmp_path / f"{clip.id}_noisy.wav", sound(9, 640 * clip.num_frames))
    clips = [replace(clip, video=str(tmp_path / f"{clip.id}_noisy.wav")) for clip in clips]
    write_manifest(tmp_path / "list.jsonl", clips)
    values_of_options = {
        "acoustic": noisy_voice_folder / "acoustic",
        "vocoder": noisy_voice_folder / "vocoder",
        "features": tmp_path,
    }
    values_of_options |= {"manifest": tmp_path / "list.jsonl", "text": "none"}
    folders = [str(argument) for name, value in values_of_options.items() for argument in (f"--{name}", value)]
    for out, mode_options in (
        ("mask", ["--noisy", "mask"]),
        ("made", ["--noisy", "made"]),
        ("auto", ["--noisy"]),
        ("lips", []),
    ):
        assert main(["synthesize", *folders, "--out", str(tmp_path / out), *mode_options]) == 0
    assert main(["synthesize", *folders, "--out", str(tmp_path / "lips0"), "--steps", "0"]) == 0
    for clip in clips:
        wave, voiced, lips = (read_wave(tmp_path / out / f"{clip.id}.wav") for out in ("mask", "made", "lips"))
        mel = load_speech(tmp_path / "mask", clip).mel[0]
        expected = masked(read_wave(clip.video), mel)
        assert len(wave) == 640 * clip.num_frames and np.allclose(wave, expected, atol=1e-3)
        assert not np.allclose(voiced, lips, atol=1e-3)
        chosen = choose_output(read_wave(clip.video), load_speech(tmp_path / "lips0", clip).mel[0])
        auto, better = read_wave(tmp_path / "auto" / f"{clip.id}.wav"), voiced if chosen == "made" else wave
        assert np.allclose(auto, better, atol=1e-3)


def test_copy_synthesis_refuses_noisy():
    with pytest.raises(VsrError, match="--noisy"):
        SynthesisOptions(copy=True, noisy="mask")
