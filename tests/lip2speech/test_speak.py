"""From a video to its voice by the command, and every way in which it is refused."""

import inspect
import re

import numpy as np
import pytest
import torch

from lip2speech.cli import LIP2SPEECH, main
from lip2speech.inference.dubbing import SpeakOptions, speak, speak_clip
from lip2speech.inference.folder import load_model
from lip2speech.inference.voice import load_model as load_voice
from lip2speech.inference.voicing import voice_crop
from lip2speech.inference.voicing_inputs import VoicingInputs
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.parts import save_part
from tests.conftest import talking_face, write_video
from tests.lip2speech.tiny import speakers, tiny_vocoder, tiny_voice
from vsr.core.errors import Incomplete, VsrError
from vsr.face.mouth_crop import crop_tracks
from vsr.media.audio import read_wave, write_wave


@pytest.fixture(scope="module")
def face_video(tmp_path_factory):
    """1.2 s of a talking face at 30 fps."""
    return write_video(tmp_path_factory.mktemp("film") / "face.mp4", talking_face(36), fps=30)


def test_loaded_models_speak_reproducibly(tiny_voice_folder, face_video):
    first, second = (speak(load_model(tiny_voice_folder), face_video).wave for _ in range(2))
    assert np.array_equal(first, second) and np.abs(first).max() > 0


def test_video_gets_its_voice(tiny_voice_folder, face_video, tmp_path):
    assert main(["speak", str(face_video), "-o", str(tmp_path / "voiced.mp4"), "--model", str(tiny_voice_folder)]) == 0
    assert main(["speak", str(face_video), "-o", str(tmp_path / "voice.wav"), "--model", str(tiny_voice_folder)]) == 0
    wave = read_wave(tmp_path / "voice.wav")
    assert abs(len(wave) - 1.2 * 16_000) <= 640
    sound_of_video = read_wave(tmp_path / "voiced.mp4", 30)
    shorter = min(len(wave), len(sound_of_video))
    assert np.corrcoef(wave[:shorter], sound_of_video[:shorter])[0, 1] > 0.5


def test_only_shots_with_a_face_are_voiced(tiny_voice_folder, tmp_path, monkeypatch):
    """Block by block; in a long shot the voices of blocks join without a gap."""
    monkeypatch.setattr("vsr.face.pipeline.SHORTEST", 25)
    monkeypatch.setattr("vsr.face.mouth_source.LONGEST", 75)
    face, nobody = talking_face(100), np.zeros((50, 256, 256, 3), np.uint8)
    video = write_video(tmp_path / "film.mp4", np.concatenate([face, nobody, face[:, :, ::-1] // 2]))
    speech = speak(load_model(tiny_voice_folder), video)
    audible = np.abs(speech.wave).reshape(-1, 640).max(1) > 0  # frame by frame
    assert len(audible) == 250 and speech.seconds == pytest.approx(8.0, abs=0.2)
    assert audible[:99].all() and audible[151:].all() and not audible[101:149].any()


def test_two_faces_are_voiced_if_asked_for(tiny_voice_folder, tmp_path):
    images = np.full((50, 256, 448, 3), 90, np.uint8)
    images[:, :, :256] = talking_face(50)
    images[:, 64:, 256:] = talking_face(50, 192)[:, :, ::-1]
    both = write_video(tmp_path / "both.mp4", images)
    loaded = load_model(tiny_voice_folder)
    largest, all_faces = (speak(loaded, both, options=SpeakOptions(faces=faces)) for faces in ("largest", "all"))
    assert (largest.seconds, all_faces.seconds) == (2.0, 4.0) and len(largest.wave) == len(all_faces.wave)
    assert not np.array_equal(largest.wave, all_faces.wave)
    with pytest.raises(VsrError, match="'largest', 'all' or a number"):
        speak(loaded, both, options=SpeakOptions(faces="left"))


def test_still_face_is_not_voiced(tiny_voice_folder, tmp_path):
    speaks, rests = talking_face(50), talking_face(1).repeat(120, axis=0)
    video = write_video(tmp_path / "turns.mp4", np.concatenate([speaks, rests, speaks]), options={"crf": "12"})
    speech = speak(load_model(tiny_voice_folder), video)
    audible = np.abs(speech.wave).reshape(-1, 640).max(1) > 0
    assert audible[:50].all() and audible[170:].all() and not audible[80:140].any()
    assert speech.seconds == pytest.approx(audible.sum() / 25)


def test_cropped_face_is_voiced_as_in_its_video(tiny_voice_folder, tmp_path):
    """As the page and the report do: silent where the lips rest."""
    speaks, rests = talking_face(50), talking_face(1).repeat(120, axis=0)
    video = write_video(tmp_path / "turns.mp4", np.concatenate([speaks, rests]), options={"crf": "12"})
    loaded = load_model(tiny_voice_folder)
    (clip,) = crop_tracks(video)
    alone, together = speak_clip(loaded, clip), speak(loaded, video)
    assert np.array_equal(alone.wave, together.wave) and alone.seconds == together.seconds < 4
    still = write_video(tmp_path / "still.mp4", rests[:75])
    assert not speak_clip(loaded, crop_tracks(still)[0]).wave.any()


def test_each_face_has_its_reference_voice(tiny_voice_folder, tmp_path, voice_like, capsys):
    images = np.full((50, 256, 448, 3), 90, np.uint8)
    images[:, :, :256] = talking_face(50)
    images[:, 64:, 256:] = talking_face(50, 192)[:, :, ::-1]
    both, someone = write_video(tmp_path / "both.mp4", images), tmp_path / "someone.wav"
    write_wave(someone, voice_like)
    loaded = load_model(tiny_voice_folder)

    def waves(reference):
        return [speak(loaded, both, reference, options=SpeakOptions(faces=faces)).wave for faces in ("largest", "all")]

    (default_largest, default_all), (first, other) = waves(None), waves({0: someone})
    assert not np.array_equal(default_largest, first)
    # the second face speaks as before
    np.testing.assert_allclose(default_all - default_largest, other - first, atol=1e-5)
    for of_both, of_one in zip(waves({0: someone, None: someone}), waves(someone), strict=True):
        assert np.array_equal(of_both, of_one)
    command = ["speak", str(both), "-o", str(tmp_path / "out.wav"), "--model", str(tiny_voice_folder)]
    assert main([*command, "--reference", f"0={someone}", "--reference", f"5={someone}"]) == 0
    assert "face 5 is not voiced, its reference was not used; voiced: 0" in capsys.readouterr().err
    assert main([*command, "--reference", f"1={someone}", "--reference", f"1={someone}"]) == 2
    assert "twice for face 1" in capsys.readouterr().err


def test_seed_and_reference_change_the_voice(tiny_voice_folder, face_video, tmp_path, voice_like):
    loaded = load_model(tiny_voice_folder)
    write_wave(tmp_path / "someone.wav", voice_like)
    default = speak(loaded, face_video).wave
    assert not np.array_equal(default, speak(loaded, face_video, options=SpeakOptions(FlowOptions(seed=1))).wave)
    assert not np.array_equal(default, speak(loaded, face_video, tmp_path / "someone.wav").wave)


def test_long_crops_are_joined_without_a_gap():
    rng = np.random.default_rng(0)
    crop = rng.integers(0, 255, (700, 96, 96), np.uint8)
    loaded = type("Loaded", (), {"voice": tiny_voice()})
    speech = voice_crop(loaded, crop, speakers(1), VoicingInputs(FlowOptions(steps=1, temperature=0.0)))
    assert speech.mel.shape == (1, 2800, 80) and speech.units.shape == (1, 1400)
    assert (speech.mel.abs().sum(-1) > 0).all()


def refusal(capsys, *arguments):
    """Exit status and the last line of stderr."""
    status = main([str(word) for word in arguments])
    lines = capsys.readouterr().err.splitlines()
    return status, lines[-1]


def test_what_cannot_be_voiced_is_one_line_and_writes_no_file(
    tiny_voice_folder, face_video, tmp_path, capsys, voice_like
):
    out, options = tmp_path / "out.mp4", ["--model", tiny_voice_folder]
    black = write_video(tmp_path / "black.mp4", np.zeros((30, 64, 64, 3), np.uint8))
    (tmp_path / "text.mp4").write_text("not a video", encoding="utf-8")
    for video, message in (
        (black, "no face"),
        (tmp_path / "text.mp4", "cannot|not a"),
        (tmp_path / "no.mp4", "no such"),
    ):
        status, line = refusal(capsys, "speak", video, "-o", out, *options)
        assert status == 1 and line.startswith("lip2speech: ") and re.search(message, line), line
    silent, short = tmp_path / "silent.wav", tmp_path / "short.wav"
    write_wave(silent, np.zeros(32_000, np.float32))
    write_wave(short, voice_like[:3000])
    missing = tmp_path / "no.wav"
    for reference, message in ((silent, "silent"), (short, "at least"), (missing, "no such"), (black, "sound")):
        status, line = refusal(capsys, "speak", face_video, "-o", out, *options, "--reference", reference)
        assert status == 1 and message in line, line
    assert not out.exists()
    for path, message in (
        (face_video, "is what is read"),
        (tmp_path, "a folder"),
        (face_video / "a.mp4", "cannot write"),
    ):
        status, line = refusal(capsys, "speak", face_video, "-o", path, *options)
        assert status == 1 and message in line, line
    assert refusal(capsys, "speak", face_video, "-o", tmp_path / "nosuffix", *options)[0] == 2
    assert refusal(capsys, "speak", face_video, "-o", out, "--steps", "-1", *options)[0] == 2


@pytest.mark.parametrize(
    "option",
    [
        ("--temperature", "nan"), ("--temperature", "inf"), ("--guidance", "nan"), ("--seed", str(2**64)),
        ("--seed", "-1"),
    ],
)  # fmt: skip
def test_refuses_impossible_numbers_before_the_work(face_video, tmp_path, capsys, option):
    status, line = refusal(capsys, "speak", face_video, "-o", tmp_path / "out.wav", *option)
    assert status == 2 and f"{option[0][2:]} is {option[1]}" in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words", [("synthesize", "--rounds", "-1"), ("units", "--seed", "-1"), ("sync", "--seed", str(2**64))]
)
def test_other_commands_refuse_numbers_out_of_range(tmp_path, capsys, words):
    verb, option, value = words
    options = {"--manifest": "no.jsonl", "--features": "no", "--out": tmp_path / "out"}
    if verb == "units":
        del options["--features"]
    status, line = refusal(capsys, verb, *(word for pair in options.items() for word in pair), option, value)
    assert status == 2 and f"{option} is {value}: it must be" in line


def test_voice_that_is_not_finite_is_refused_and_not_written(tiny_voice_folder, face_video, tmp_path):
    loaded = load_model(tiny_voice_folder)
    with torch.no_grad():
        loaded.vocoder.head.bias[0] = float("nan")
    with pytest.raises(VsrError, match="the voice is not finite") as caught:
        speak(loaded, face_video)
    assert caught.value.reason == "not_finite"


def test_refuses_models_that_do_not_fit(tiny_voice_folder, tmp_path):
    with pytest.raises(VsrError, match="no such model folder"):
        load_model(tmp_path / "nothing")
    save_part(tmp_path / "other", tiny_vocoder(units=3))
    with pytest.raises(VsrError, match="not a pair"):
        load_model(tiny_voice_folder, vocoder=tmp_path / "other")
    weights = tiny_voice_folder / "vocoder" / "model.safetensors"
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.json").write_bytes((tiny_voice_folder / "vocoder/config.json").read_bytes())
    (tmp_path / "broken/model.safetensors").write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(VsrError, match="cannot be read"):
        load_model(tiny_voice_folder, vocoder=tmp_path / "broken")


def modules_of(command):
    """The modules in which the functions that a module knows are defined."""
    return {inspect.getmodule(function) for function in vars(command).values() if inspect.isfunction(function)}


def test_every_option_is_read_and_shown():
    for verb in LIP2SPEECH.verbs:
        command, parser = LIP2SPEECH.command(verb), LIP2SPEECH.parser(verb)
        actions = [action for action in parser._actions if action.dest != "help"]
        assert 0 < len(actions) <= 25
        shared = modules_of(command) | {other for module in modules_of(command) for other in modules_of(module)}
        source = "".join(map(inspect.getsource, {command, *shared}))  # both commands share options
        for action in actions:
            assert re.search(rf"args\.{action.dest}\b", source), f"{verb}: {action.dest}"
        assert f"lip2speech {verb}" in parser.format_help().split("examples:")[1]


def test_truncated_video_is_voiced_to_its_end_with_one_line(tiny_voice_folder, tmp_path, capsys):
    whole = write_video(tmp_path / "whole.mkv", talking_face(75), options={"g": "10"})
    cut, out = tmp_path / "cut.mkv", tmp_path / "voice.wav"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 8 // 10])
    assert main(["speak", str(cut), "-o", str(out), "--model", str(tiny_voice_folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "breaks off after 2." in line and line.endswith("what could not be read is silent")
    assert np.abs(read_wave(out)[: 2 * 16_000]).max() > 0
    with pytest.raises(Incomplete) as caught:
        load_voice(tiny_voice_folder).speak(cut)
    assert 1.5 < caught.value.record.seconds < len(read_wave(out)) / 16_000


def test_truncated_video_is_refused_before_a_model_is_loaded_where_all_is_needed(tmp_path, capsys, monkeypatch):
    whole = write_video(tmp_path / "whole.mkv", talking_face(75), options={"g": "10"})
    cut, script, out = tmp_path / "cut.mkv", tmp_path / "said.txt", tmp_path / "out.wav"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 8 // 10])
    script.write_text("bin blue at f two now")
    monkeypatch.setattr("lip2speech.inference.folder.load_model", None)
    for arguments in (["dub", "--script", script], ["speak", "--text", "bin blue"]):
        assert main([*map(str, [arguments[0], cut, "-o", out, *arguments[1:]])]) == 1
        assert "breaks off after 2." in capsys.readouterr().err and not out.exists()
