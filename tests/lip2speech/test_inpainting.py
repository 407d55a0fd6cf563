"""Filling a gap in the sound: known sound stays, only the gap is synthesised, and it depends on its surroundings."""

import numpy as np
import pytest
import torch

from lip2speech.cli import main
from lip2speech.conditions.context import pairs_and_mask
from lip2speech.conditions.registry import conditions_of
from lip2speech.inference.dubbing import SpeakOptions, speak
from lip2speech.inference.folder import load_model, save_voice
from lip2speech.inference.inpainting import fill_gap
from lip2speech.inference.sound_gap import Gap, parse_gap
from lip2speech.inference.token_voice import with_tokens
from lip2speech.inference.voicing import voice_crop
from lip2speech.inference.voicing_inputs import VoicingInputs
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.parts import save_part
from lip2speech.models.token_model import TokenConfig, TokenModel
from lip2speech.models.token_options import TokenOptions
from lip2speech.training.tokens import condition_width
from tests.conftest import talking_face, write_video
from tests.lip2speech.test_noisy import features, sound
from tests.lip2speech.tiny import UNITS, speakers, tiny_vocoder, tiny_voice
from vsr.core.errors import VsrError
from vsr.media.audio import read_wave
from vsr.media.mel import log_mel
from vsr.media.mux.mux import mux
from vsr.media.units import Codebook

CONTEXT = {"around": {"kind": "context"}}


@pytest.fixture(scope="module")
def filling(tmp_path_factory):
    """A voice with the context condition, all of whose weights are non-zero."""
    folder = tmp_path_factory.mktemp("filling")
    save_voice(folder / "acoustic", tiny_voice(conditions=CONTEXT), Codebook(torch.randn(UNITS, 39), "mfcc"))
    save_part(folder / "vocoder", tiny_vocoder())
    return folder


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """1.6 s of a talking face with sound."""
    folder = tmp_path_factory.mktemp("video")
    silent = write_video(folder / "silent.mp4", talking_face(40))
    mux(silent, sound(5, 40 * 640), folder / "face.mp4")
    return folder / "face.mp4"


def test_span_of_each_training_clip_is_hidden():
    condition = conditions_of(CONTEXT | {"c": {"kind": "context", "span": [0.25, 0.5]}})["c"]
    clip_features, hidden = features(sound(0)), []
    for seed in range(30):
        value = condition.corrupted(clip_features, "a", ["a"], None, np.random.default_rng(seed))
        mel, known = pairs_and_mask(torch.from_numpy(value))
        unknown = (~known).nonzero()[:, 0]
        assert len(unknown) == unknown[-1] - unknown[0] + 1 and 5 <= len(unknown) <= 10
        assert torch.allclose(mel[known], clip_features.mel.reshape(20, 160)[known], atol=1e-5)
        assert not value[unknown].any()
        hidden.append(int(unknown[0]))
    assert len(set(hidden)) > 5
    known = np.arange(20) < 12
    assert np.array_equal(condition.of_wave(clip_features.wave.numpy(), known)[:, 160], known)


@pytest.mark.parametrize("wrong", [{"span": [0.5]}, {"span": [0, 0.5]}, {"span": [0.9, 0.5]}, {"drop": 2}])
def test_refuses_impossible_settings(wrong):
    with pytest.raises((ValueError, VsrError), match=next(iter(wrong))):
        conditions_of({"c": {"kind": "context"} | wrong})


def test_steps_of_a_gap_are_those_whose_mel_overlaps_it():
    known_steps = Gap(0.05, 0.12).known_steps(np.arange(5) / 25)
    assert known_steps.tolist() == [True, True] + [False] * 5 + [True] * 3


def test_recording_outside_of_the_gap_is_unchanged():
    recording, voice = sound(0, 16_000), sound(1, 16_400)
    filled = fill_gap(recording, voice, Gap(0.25, 0.5))
    assert len(filled) == len(voice)
    assert np.array_equal(filled[: 4000 - 160], recording[: 4000 - 160])
    assert np.array_equal(filled[8000 + 160 : 16_000], recording[8000 + 160 :])
    assert np.array_equal(filled[4000:8000], voice[4000:8000])


def test_voice_depends_on_the_surroundings_and_not_on_the_sound_in_the_gap(filling):
    loaded, options = load_model(filling), FlowOptions(steps=1, temperature=0.0)
    crop, wave = np.random.default_rng(0).integers(0, 255, (30, 96, 96), np.uint8), sound(2, 30 * 640)
    known_steps = Gap(0.4, 0.8).known_steps(np.arange(30) / 25)

    def mel(sound_given):
        return voice_crop(
            loaded, crop, speakers(1), VoicingInputs(options, sound=sound_given, known_steps=known_steps)
        ).mel

    inside, outside = wave.copy(), wave.copy()
    inside[6400:12_800] = 0
    outside[:6400] = 0
    assert torch.equal(mel(wave), mel(inside)) and not torch.allclose(mel(wave), mel(outside))


def test_video_keeps_its_own_sound_except_in_the_gap(filling, video, tmp_path):
    spoken = speak(load_model(filling), video, options=SpeakOptions(gap=Gap(0.6, 1.0)))
    recorded = read_wave(video, 40)
    assert len(spoken.wave) == len(recorded)
    assert np.allclose(spoken.wave[:9400], recorded[:9400], atol=1e-3) and np.allclose(
        spoken.wave[16_200:], recorded[16_200:], atol=1e-3
    )
    assert np.abs(spoken.wave[10_000:15_600] - recorded[10_000:15_600]).max() > 0.01


@pytest.mark.parametrize(
    "options, message",
    [
        (["--fill", "0.5"], "give START-END"),
        (["--fill", "1-0.5"], "give START-END"),
        (["--fill", "0-inf"], "give START-END"),
        (["--fill", "0.4-0.8", "--noisy"], "give one"),
        (["--fill", "0.4-0.8"], "fills no gaps"),
    ],
)
def test_refuses_gap_that_cannot_be_filled(options, message, tiny_voice_folder, video, tmp_path, capsys):
    command = ["speak", str(video), "-o", str(tmp_path / "o.wav"), "--model", str(tiny_voice_folder), "--consent"]
    assert main([*command, *options]) == (1 if "fills no" in message else 2)
    errors = capsys.readouterr().err
    assert message in errors and errors.strip().count("\n") == 0 and not (tmp_path / "o.wav").exists()


def test_refuses_gap_after_the_end(filling, video):
    with pytest.raises(VsrError, match="ends at 1.60 s"):
        speak(load_model(filling), video, options=SpeakOptions(gap=Gap(2.0, 2.4)))


def test_token_model_keeps_the_codes_around_a_gap(tiny_voice_folder, tmp_path):
    width = condition_width(load_model(tiny_voice_folder).voice.config)
    lm = {"kind": "lm", "dim": 16, "layers": 1, "heads": 2, "hidden": 32, "infill": 1.0}
    torch.manual_seed(0)
    model = TokenModel(TokenConfig(width, 2, 8, lm))
    torch.nn.init.normal_(model.codec.centres)
    save_part(tmp_path / "lm", model)
    loaded = with_tokens(load_model(tiny_voice_folder), tmp_path / "lm", TokenOptions())
    crop, wave = np.random.default_rng(0).integers(0, 255, (20, 96, 96), np.uint8), sound(2, 20 * 640)
    known = Gap(0.3, 0.5).known_steps(np.arange(20) / 25)
    speech = voice_crop(loaded, crop, speakers(1), VoicingInputs(sound=wave, known_steps=known))
    voice, codec = loaded.voice, loaded.voice.model.codec
    codes = codec.encode(voice.normalise(log_mel(torch.from_numpy(wave))[None]))
    expected = voice.to_mel(codec.decode(codes))[0].unflatten(0, (-1, 2))
    pairs_spoken = speech.mel[0].unflatten(0, (-1, 2))
    assert torch.allclose(pairs_spoken[known], expected[known], atol=1e-3)
    assert not torch.allclose(pairs_spoken[~known], expected[~known], atol=1e-3)


def test_gap_is_parsed():
    assert parse_gap("1.2-1.8") == Gap(1.2, 1.8)
