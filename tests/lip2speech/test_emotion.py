"""`--emotion`: no effect at strength 0, otherwise towards the emotion and away from the others; unknown ones listed."""

import shutil

import numpy as np
import pytest
import torch

from lip2speech.cli import main
from lip2speech.inference.folder import load_model
from lip2speech.inference.voicing import pull_in, voice_of
from lip2speech.inference.voicing_inputs import VoicingInputs
from lip2speech.models.emotion import EmotionPull, Pulls
from lip2speech.models.emotion_options import Emotion, parse_emotion
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.listener import Listener, ListenerConfig
from lip2speech.models.parts import save_part
from lip2speech.models.pull import SpokenWord, noise_samples, text_pull
from tests.conftest import talking_face, write_video
from tests.lip2speech.tiny import speakers
from vsr.core.errors import VsrError

STYLES = ("angry", "lively", "sad")


def listener():
    torch.manual_seed(5)
    return Listener(ListenerConfig(STYLES, dim=8, kernel=3)).eval()


def pulled(emotion, seed=0):
    """(predicted end of the flow, its change by the pull), (1, 10, 160) each."""
    torch.manual_seed(seed)
    end, correction, mask = torch.randn(1, 10, 160), torch.randn(1, 10, 160), torch.ones(1, 10, dtype=torch.bool)
    return end, EmotionPull(listener(), emotion, (1, 10))(end, correction, mask)


def log_probs(end):
    """Mean over noise of the log-probabilities (10, 4)."""
    mask = torch.ones(1, 10, dtype=torch.bool)
    with torch.no_grad():
        return torch.stack(
            [listener()(end + noise, mask)[0].log_softmax(-1) for noise in noise_samples(mask, 160)]
        ).mean(0)


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("seed", range(3))
def test_wanted_emotion_rises_and_others_fall(name, seed):
    number = 1 + STYLES.index(name)
    others = [index for index in (1, 2, 3) if index != number]
    for emotion in (Emotion(name, 1, 0), Emotion(name, 0, 1)):
        end, step = pulled(emotion, seed)
        before, after = log_probs(end), log_probs(end + 0.02 * step)
        if emotion.alpha:
            assert after[:, number].sum() > before[:, number].sum()
        else:
            assert after[:, others].logsumexp(-1).sum() < before[:, others].logsumexp(-1).sum()


def test_strength_is_the_length_and_0_has_no_effect():
    end, once = pulled(Emotion("sad", 1, 0))
    assert torch.allclose(pulled(Emotion("sad", 2, 0))[1], 2 * once, atol=1e-5)
    assert torch.allclose(pulled(Emotion("sad", 0.5, 0.5))[1].norm(), once.norm(), rtol=1e-4)
    assert not Emotion("sad", 0, 0).pulls and not pulled(Emotion("sad", 0, 0))[1].any() and end is not None


def test_several_pulls_add_up():
    end, correction, mask = torch.randn(1, 10, 160), torch.randn(1, 10, 160), torch.ones(1, 10, dtype=torch.bool)
    torch.manual_seed(4)
    words = text_pull(
        Listener(ListenerConfig(("bin",), dim=8, kernel=3)).eval(), [[SpokenWord("bin", 0, 0.1)]], 10, 1.0
    )
    emotion = EmotionPull(listener(), Emotion("sad"), (1, 10))
    both = Pulls([words, emotion])(end, correction, mask)
    assert torch.allclose(both, words(end, correction, mask) + emotion(end, correction, mask))


def test_options_are_parsed_and_wrong_ones_refused():
    assert parse_emotion(None) is None and parse_emotion("sad") == Emotion("sad", 1.0, 0.0)
    assert parse_emotion("sad:2") == Emotion("sad", 2.0, 0.0) and parse_emotion("sad:2,0.5") == Emotion("sad", 2.0, 0.5)
    for wrong in ("", ":1", "sad:", "sad:x", "sad:1,2,3", "sad:-1", "sad:nan", "sad:1,inf"):
        with pytest.raises(VsrError):
            parse_emotion(wrong)


@pytest.fixture
def emotional_voice(tiny_voice_folder, tmp_path):
    """A voice that knows emotions."""
    folder = tmp_path / "voice"
    shutil.copytree(tiny_voice_folder, folder)
    emotion_listener, voice = listener(), load_model(tiny_voice_folder).voice
    emotion_listener.mel_mean.copy_(voice.mel_mean)
    emotion_listener.mel_deviation.copy_(voice.mel_deviation)
    save_part(folder / "acoustic/emotion", emotion_listener)
    return folder


def test_emotion_changes_the_voice_and_strength_0_does_not(emotional_voice):
    loaded, options = load_model(emotional_voice), FlowOptions(2)
    crop = np.random.default_rng(0).integers(0, 255, (12, 96, 96)).astype(np.uint8)
    without, none, sad, angry = (
        voice_of(loaded, crop, speakers(1), VoicingInputs(options, emotion=emotion))
        for emotion in (None, Emotion("sad", 0, 0), Emotion("sad", 2), Emotion("angry", 2))
    )
    assert np.array_equal(without, none) and not np.array_equal(without, sad) and not np.array_equal(sad, angry)
    assert pull_in(loaded, VoicingInputs(FlowOptions(0), emotion=Emotion("sad")), 0, 12) is None


def test_speak_takes_emotions_and_refuses_wrong_ones(emotional_voice, tiny_voice_folder, tmp_path, capsys):
    video, out = write_video(tmp_path / "clip.mp4", talking_face(30)), tmp_path / "out.wav"
    command = ["speak", str(video), "--text", "none", "-o", str(out)]
    for model, emotion, message in (
        (emotional_voice, "bored", "the emotion 'bored': it can be angry, lively, sad"),
        (tiny_voice_folder, "sad", "knows no emotions"), (emotional_voice, "sad:a", "give NAME"),
    ):  # fmt: skip
        assert main([*command, "--model", str(model), "--emotion", emotion]) == (1 if model == tiny_voice_folder else 2)
        assert message in capsys.readouterr().err and not out.exists()
    assert main([*command, "--emotion", "sad", "--tokens", str(tmp_path)]) == 2
    assert "--emotion works only with the flow" in capsys.readouterr().err
    assert main([*command, "--model", str(emotional_voice), "--emotion", "sad:2,0.5"]) == 0 and out.exists()


def test_synthetic_styles_differ_as_intended(tmp_path):
    """The same sentence in all styles: a sad voice is softer, slower and flatter than an angry or a lively one."""
    from lip2speech.features.pitch import pitch
    from vsr.corpora.puppet.styles import HELD_OUT, prepare_styles
    from vsr.corpora.puppet.styles import STYLES as MADE
    from vsr.data.manifest import read_manifest
    from vsr.media.audio import read_wave

    assert prepare_styles(tmp_path, 2, 1, 1) == {"train": 8, "dev": 4, "test": 4}
    clips = {name: read_manifest(tmp_path / f"{name}.jsonl") for name in ("train", "dev", "test")}
    texts = [{clip.text for clip in clip_list} for clip_list in clips.values()]
    assert not texts[0] & texts[1] and not texts[1] & texts[2]
    assert not {clip.speaker for clip in clips["train"]} & set(HELD_OUT)
    waves = {clip.words[0][0]: read_wave(clip.video) for clip in clips["dev"]}
    assert set(waves) == set(MADE) and all(len(wave) % 640 == 0 for wave in waves.values())
    loudness = {style: float(np.sqrt(np.mean(wave**2))) for style, wave in waves.items()}
    assert loudness["sad"] < loudness["neutral"] < loudness["angry"] and len(waves["sad"]) > len(waves["angry"])
    deviation = {style: np.std(np.log(track[track > 0])) for style, track in ((s, pitch(w)) for s, w in waves.items())}
    assert deviation["sad"] < deviation["lively"]
