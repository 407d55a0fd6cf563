"""Another voice for a recording: as long as it was, by its units alone, and nobody's where that is asked for."""

from dataclasses import replace
from shutil import copy

import numpy as np
import pytest
import torch

from lip2speech.cli import main
from lip2speech.conditions.emotion import EmotionTrack
from lip2speech.features.unit_input import unit_vectors
from lip2speech.inference.anonymous import CHOICE, FAR, anonymous_vector, seed_of, shipped_pool
from lip2speech.inference.folder import load_model, save_voice
from lip2speech.inference.revoicing import input_of_wave, read_units, revoice, say_units
from lip2speech.models.parts import save_part
from tests.lip2speech.tiny import READER, UNITS, speakers, tiny_vocoder, tiny_voice
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.media.audio import read_wave, write_wave
from vsr.media.units import Codebook


@pytest.fixture(scope="module")
def units_voice(tmp_path_factory):
    """A folder with a tiny voice that speaks units."""
    folder = tmp_path_factory.mktemp("units")
    torch.manual_seed(4)
    save_voice(folder / "acoustic", tiny_voice(), Codebook(torch.randn(UNITS, 39), "mfcc"), {"seen": "units"})
    save_part(folder / "vocoder", tiny_vocoder())
    return folder


@pytest.mark.parametrize("samples", [640, 641, 16_000, 48_000])
def test_a_recording_is_as_long_as_it_was(units_voice, voice_like, samples):
    made = revoice(load_model(units_voice), voice_like[:samples], speakers(1))
    assert made.shape == (samples,) and made.dtype == np.float32 and np.abs(made).max() > 0


def test_the_voice_is_shown_what_it_learns_from(units_voice, voice_like):
    """The vectors of `UnitDataset`, two units a frame, in the place of lips."""
    loaded = load_model(units_voice)
    seen, vectors = input_of_wave(loaded, voice_like), unit_vectors(UNITS, READER["dim"])
    assert seen.shape == (1, len(voice_like) // 640, 2 * READER["dim"])
    each = seen[0].unflatten(1, (2, -1)).flatten(0, 1)
    assert (each[:, None] == vectors).all(2).any(1).all()


def test_whose_voice_it_is_changes_it_and_the_same_is_the_same(units_voice, voice_like):
    loaded, (one, two) = load_model(units_voice), speakers(2).split(1)
    assert np.array_equal(revoice(loaded, voice_like, one), revoice(loaded, voice_like, one))
    assert not np.array_equal(revoice(loaded, voice_like, one), revoice(loaded, voice_like, two))


def test_a_voice_that_looks_at_lips_is_refused(tiny_voice_folder, voice_like, tmp_path, capsys):
    write_wave(tmp_path / "said.wav", voice_like)
    out = tmp_path / "out.wav"
    given = ["revoice", str(tmp_path / "said.wav"), "-o", str(out), "--reference", "own"]
    for model in ([], ["--model", str(tiny_voice_folder)]):
        assert main([*given, *model]) == 1 and "data.seen: units" in capsys.readouterr().err
    assert not out.exists()


def test_it_is_refused_by_its_configuration_alone(tiny_voice_folder, voice_like, tmp_path, capsys):
    for part in ("acoustic", "vocoder"):
        (tmp_path / "bare" / part).mkdir(parents=True)
        copy(tiny_voice_folder / part / "config.json", tmp_path / "bare" / part)
    write_wave(tmp_path / "said.wav", voice_like)
    given = [str(tmp_path / "said.wav"), "-o", str(tmp_path / "no.wav"), "--model", str(tmp_path / "bare")]
    assert main(["revoice", *given, "--reference", "own"]) == 1 and "data.seen: units" in capsys.readouterr().err


def test_units_that_another_program_wrote_are_said(units_voice, tmp_path, capsys):
    said, out = tmp_path / "units.npy", tmp_path / "out.wav"
    given = ["revoice", str(said), "-o", str(out), "--model", str(units_voice), "--consent", "--reference"]
    np.save(said, np.arange(31) % UNITS)
    assert main([*given, "anonymous:3"]) == 0 and len(read_wave(out)) == 32 * 320
    speaker = torch.from_numpy(anonymous_vector(shipped_pool(), None, 3))[None]
    expected = say_units(load_model(units_voice), read_units(said, UNITS), speaker)
    assert np.abs(read_wave(out) - expected.clip(-1, 1)).max() < 1e-3
    out.unlink()
    assert main([*given, "own"]) == 2 and "units have no voice" in capsys.readouterr().err
    for wrong, why in (
        (np.array([UNITS]), f"0 to {UNITS - 1}"), (np.array([-1]), f"0 to {UNITS - 1}"), (np.zeros(3), "whole numbers"),
        (np.array([], int), "whole numbers"), (np.array([{}]), "cannot be read"),
    ):  # fmt: skip
        np.save(said, wrong, allow_pickle=True)
        assert main([*given, "anonymous"]) == 1 and why in capsys.readouterr().err and not out.exists()


def pool(count, seed=0):
    """Vectors (count, 256) of length 1, none negative, most of them far from each other."""
    rng = np.random.default_rng(seed)
    found = rng.random((count, 256)) * (rng.random((count, 256)) < 0.15)
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(20))
def test_an_anonymous_voice_is_far_from_its_source_and_no_voice_of_the_pool(seed):
    source, *others = pool(20)
    made = anonymous_vector(others, source, seed)
    assert made @ source < FAR and np.linalg.norm(made) == pytest.approx(1, abs=1e-5) and (made >= 0).all()
    assert all(made @ own < 0.99 for own in others)
    assert np.array_equal(made, anonymous_vector(others, source, seed))
    assert not np.array_equal(made, anonymous_vector(others, source, seed + 1))


def test_a_pool_of_near_voices_is_refused():
    source, *others = pool(6)
    near = [(source + 0.1 * own) / np.linalg.norm(source + 0.1 * own) for own in others]
    with pytest.raises(VsrError, match="0 of 5 voices are far"):
        anonymous_vector(near, source)
    with pytest.raises(VsrError, match="2 of 2"):
        anonymous_vector(others[:2], source)


def test_the_pool_that_ships_hides_its_own_voices():
    voices = shipped_pool()
    assert voices.shape == (261, 256) and np.allclose(np.linalg.norm(voices, axis=1), 1, atol=1e-5)
    for place in range(0, 261, 20):
        others = np.delete(voices, place, 0)
        assert anonymous_vector(others, voices[place], place) @ voices[place] < FAR


def test_only_the_farthest_are_chosen_and_nobody_need_be_far_from_nobody():
    source, *others = pool(3 * CHOICE)
    near = sorted(others, key=lambda own: own @ source)
    assert all(
        np.array_equal(anonymous_vector(others, source, seed), anonymous_vector(near[:CHOICE], source, seed))
        for seed in range(5)
    )
    assert np.linalg.norm(anonymous_vector(others, None, 1)) == pytest.approx(1, abs=1e-5)


def test_seeds_are_read_and_wrong_ones_refused():
    assert [seed_of(own) for own in ("own", "a.wav", "anonymous", "anonymous:7")] == [None, None, 0, 7]
    for wrong in ("anonymous:", "anonymous:x", "anonymous:-1"):
        with pytest.raises(VsrError, match="seed"):
            seed_of(wrong)


def test_through_the_command(units_voice, voice_like, tmp_path, capsys):
    said, out = tmp_path / "said.wav", tmp_path / "out.wav"
    write_wave(said, voice_like)
    given = ["revoice", str(said), "--model", str(units_voice)]
    assert main([*given, "-o", str(out), "--reference", str(said)]) == 0
    assert len(read_wave(out)) == len(voice_like) and b"synthetic voice" in out.read_bytes()
    capsys.readouterr()
    for words, why in (
        (["--reference", "own", "--pool", str(tmp_path)], "--pool works only with"),
        (["--reference", "anna"], "no such file"),
        (["--reference", "anonymous", "--pool", str(tmp_path / "none")], "no recordings"),
    ):  # fmt: skip
        assert main([*given, "-o", str(tmp_path / "no.wav"), *words]) == 2 and why in capsys.readouterr().err
    assert main([*given, "-o", str(said), "--reference", "own"]) == 1
    assert main([*given, "-o", str(tmp_path / "no.mp4"), "--reference", "own"]) == 2
    assert not list(tmp_path.glob("no.*"))


@pytest.fixture
def feeling_voice(units_voice):
    """The same with a track of emotions, whose projections are not zero."""
    named = {"felt": {"kind": "emotion", "emotions": ["sad", "angry"]}}
    return replace(load_model(units_voice), voice=tiny_voice(conditions=named))


def test_an_emotion_that_is_named_changes_a_voice_and_none_does_not(feeling_voice, voice_like):
    speaker = speakers(1)
    said = {name: revoice(feeling_voice, voice_like, speaker, emotion=name) for name in ("", "sad", "angry")}
    assert {len(own) for own in said.values()} == {len(voice_like)}
    assert not np.allclose(said["sad"], said["angry"]) and not np.allclose(said["sad"], said[""])
    assert np.array_equal(said[""], revoice(feeling_voice, voice_like, speaker))


def test_an_emotion_that_a_voice_does_not_know_is_refused(feeling_voice, units_voice, voice_like, tmp_path, capsys):
    with pytest.raises(VsrError, match="angry, sad"):
        revoice(feeling_voice, voice_like, speakers(1), emotion="glad")
    write_wave(tmp_path / "said.wav", voice_like)
    given = ["revoice", str(tmp_path / "said.wav"), "-o", str(tmp_path / "no.wav"), "--reference", "anonymous"]
    assert main([*given, "--model", str(units_voice), "--emotion", "sad"]) == 1
    assert "knows no emotions" in capsys.readouterr().err and not (tmp_path / "no.wav").exists()


def test_the_track_of_a_clip_is_what_its_words_name():
    track = EmotionTrack(("sad", "angry"))
    found = track.load(Clip("a", "", "", words=(("angry", 0.1, 0.2), ("blue", 0.2, 0.3))), 20)
    assert found[:, 0].sum() == 0 and found[:, 1].tolist() == [0] * 5 + [1] * 5 + [0] * 10
    with pytest.raises(VsrError, match="no word of it"):
        track.load(Clip("a", "", "", words=(("blue", 0.2, 0.3),)), 20)
    with pytest.raises(ValueError, match="each once"):
        EmotionTrack(("sad", "sad"))
