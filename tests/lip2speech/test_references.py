"""Whose voice `--reference` names: that of a recording, the video's own, a saved one, or nobody's."""

from pathlib import Path

import numpy as np
import pytest

from lip2speech.cli import main
from lip2speech.features.speaker import reference_vector
from lip2speech.inference.anonymous import FAR
from lip2speech.inference.dubbing import speak
from lip2speech.inference.folder import load_model
from lip2speech.inference.reference import Reference, fixed_embedding, read_reference, reference_voice
from lip2speech.inference.saved_voices import saved_names, saved_vector, user_folder
from tests.conftest import talking_face, write_video
from vsr.core.errors import VsrError
from vsr.media.audio import read_wave, write_wave
from vsr.media.mux.mux import mux


@pytest.fixture(autouse=True)
def no_voices(consented, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def someone(tmp_path, voice_like):
    path = tmp_path / "someone.wav"
    write_wave(path, voice_like)
    return path


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "clip.mp4", talking_face(50))


def test_keywords_files_and_names_are_told_apart(someone, monkeypatch):
    assert read_reference("own") == Reference("own") and read_reference("anonymous:4") == Reference("anonymous", seed=4)
    assert read_reference(str(someone)) == read_reference(someone) == Reference("file", str(someone))
    assert read_reference("nowhere.wav").kind == "file"  # refused when it is read
    assert read_reference(Path("own")).kind == "file"
    with pytest.raises(VsrError, match=r"anna: no such file, and no saved voice.*lip2speech voices add"):
        read_reference("anna")
    assert main(["voices", "add", "anna", str(someone), "--consent"]) == 0
    assert read_reference("anna") == Reference("saved", "anna")
    monkeypatch.chdir(someone.parent)
    (someone.parent / "anna").write_bytes(someone.read_bytes())
    assert read_reference("anna").kind == "file"


def test_saved_voice_is_that_of_its_recording(someone, capsys):
    assert main(["voices"]) == 0 and capsys.readouterr().out == ""
    assert main(["voices", "add", "anna", str(someone), "--consent"]) == 0
    assert np.allclose(saved_vector("anna"), reference_vector(someone), atol=1e-5)
    assert np.allclose(reference_voice(read_reference("anna"), "").vector, saved_vector("anna"))
    assert main(["voices", "add", "anna", str(someone)]) == 1 and "is saved" in capsys.readouterr().err
    assert main(["voices"]) == 0 and "anna: from someone.wav" in capsys.readouterr().out
    assert main(["voices", "remove", "anna"]) == 0 and saved_names() == []
    assert main(["voices", "remove", "anna"]) == 2 and main(["voices", "add", "own", str(someone)]) == 2


def test_voice_for_a_live_session_is_known_beforehand(someone):
    assert main(["voices", "add", "anna", str(someone), "--consent"]) == 0
    assert np.array_equal(fixed_embedding(read_reference("anna")), saved_vector("anna"))
    assert np.allclose(fixed_embedding(read_reference(someone)), saved_vector("anna"), atol=1e-5)
    nobody, other = (fixed_embedding(read_reference(f"anonymous:{seed}")) for seed in (1, 2))
    assert np.linalg.norm(nobody) == pytest.approx(1, abs=1e-5) and nobody @ other < 0.999
    for unheard in ("own", "face"):
        with pytest.raises(VsrError, match="nobody has been seen or heard before"):
            fixed_embedding(read_reference(unheard))


@pytest.mark.parametrize("arguments", [["add", "anna"], ["list", "anna"], ["remove"], ["add", "../a", "b.wav"]])
def test_wrong_arguments_are_usage_errors(arguments, capsys):
    assert main(["voices", *arguments]) == 2 and capsys.readouterr().err.count("\n") == 1


def test_voice_is_not_saved_without_consent(someone, capsys):
    assert main(["voices", "add", "anna", str(someone)]) == 1 and "--consent" in capsys.readouterr().err
    assert not (user_folder() / "voices").exists()


ZEROS = '{"vector": [' + "0," * 255 + "0]}"


@pytest.mark.parametrize("content", ["", "[]", '{"vector": [1, 2]}', '{"vector": "x"}', ZEROS])
def test_damaged_saved_voice_is_refused(content, capsys):
    (user_folder() / "voices").mkdir(parents=True)
    (user_folder() / "voices/anna.json").write_text(content, "utf-8")
    with pytest.raises(VsrError, match="holds no voice"):
        saved_vector("anna")


def test_own_and_anonymous_use_the_sound_of_the_video(tiny_voice_folder, video, someone, tmp_path, voice_like):
    with_sound = tmp_path / "heard.mp4"
    mux(video, read_wave(someone)[:32_000], with_sound)
    own_vector = reference_voice(Reference("own"), with_sound).vector
    nobody = reference_voice(Reference("anonymous", seed=3), with_sound)
    assert own_vector @ reference_vector(someone) > 0.9 and nobody.vector @ own_vector < FAR and not nobody.note
    loaded = load_model(tiny_voice_folder)
    waves = [speak(loaded, with_sound, kind).wave for kind in ("own", "anonymous:3", "anonymous:4", None)]
    assert np.array_equal(waves[0], speak(loaded, with_sound, own_vector).wave)
    assert all(not np.array_equal(first, second) for first, second in zip(waves, waves[1:], strict=False))


@pytest.mark.parametrize("whom", [5, "anonymous:x", "", np.zeros(3), np.zeros(256), np.full(256, np.nan), [1.0] * 256])
def test_wrong_reference_is_refused_in_python(tiny_voice_folder, video, whom):
    with pytest.raises(VsrError) as caught:
        speak(load_model(tiny_voice_folder), video, whom)
    assert caught.value.reason == "bad_options" and "\n" not in str(caught.value)


def test_silent_video_has_no_voice_of_its_own(video):
    with pytest.raises(VsrError) as caught:
        reference_voice(Reference("own"), video)
    assert caught.value.reason == "no_sound"
    vector = reference_voice(Reference("anonymous"), video)
    assert "holds no voice" in vector.note and vector.vector.shape == (256,)
    with pytest.raises(VsrError):
        reference_voice(Reference("anonymous"), "nowhere.mp4")


def test_speak_takes_references_and_refuses_wrong_ones(tiny_voice_folder, video, someone, tmp_path, capsys):
    command = [
        "speak",
        str(video),
        "--model",
        str(tiny_voice_folder),
        "--text",
        "none",
        "-o",
        str(tmp_path / "out.wav"),
    ]
    assert main([*command, "--reference", "anonymous:2", "--reference", "5=anonymous"]) == 0
    errors = capsys.readouterr().err
    assert "not chosen to be far" in errors and "face 5 is not voiced" in errors and "agreed" not in errors
    for wrong, message, status in (
        ("own", "no sound", 1),
        ("anna", "no saved voice", 2),
        ("anonymous:x", "whole number", 2),
    ):
        out = tmp_path / "no.wav"
        assert main([*command[:-1], str(out), "--reference", wrong]) == status
        assert message in capsys.readouterr().err and not out.exists()
