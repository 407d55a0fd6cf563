"""Revoicing a recording: same length, from its units only, and anonymous if asked for."""

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
def test_voice_is_as_long_as_the_recording(units_voice, voice_like, samples):
    wave = revoice(load_model(units_voice), voice_like[:samples], speakers(1))
    assert wave.shape == (samples,) and wave.dtype == np.float32 and np.abs(wave).max() > 0


def test_voice_gets_the_unit_vectors_of_its_training(units_voice, voice_like):
    """The vectors of `UnitDataset`, two units per frame, instead of lip states."""
    loaded = load_model(units_voice)
    inputs, vectors = input_of_wave(loaded, voice_like), unit_vectors(UNITS, READER["dim"])
    assert inputs.shape == (1, len(voice_like) // 640, 2 * READER["dim"])
    unit_inputs = inputs[0].unflatten(1, (2, -1)).flatten(0, 1)
    assert (unit_inputs[:, None] == vectors).all(2).any(1).all()


def test_voice_depends_on_the_speaker_and_is_reproducible(units_voice, voice_like):
    loaded, (first, second) = load_model(units_voice), speakers(2).split(1)
    assert np.array_equal(revoice(loaded, voice_like, first), revoice(loaded, voice_like, first))
    assert not np.array_equal(revoice(loaded, voice_like, first), revoice(loaded, voice_like, second))


def test_refuses_voice_of_lips(tiny_voice_folder, voice_like, tmp_path, capsys):
    write_wave(tmp_path / "said.wav", voice_like)
    out = tmp_path / "out.wav"
    command = ["revoice", str(tmp_path / "said.wav"), "-o", str(out), "--reference", "own"]
    for model in ([], ["--model", str(tiny_voice_folder)]):
        assert main([*command, *model]) == 1 and "data.seen: units" in capsys.readouterr().err
    assert not out.exists()


def test_refuses_voice_of_lips_by_its_configuration_alone(tiny_voice_folder, voice_like, tmp_path, capsys):
    for part in ("acoustic", "vocoder"):
        (tmp_path / "bare" / part).mkdir(parents=True)
        copy(tiny_voice_folder / part / "config.json", tmp_path / "bare" / part)
    write_wave(tmp_path / "said.wav", voice_like)
    arguments = [str(tmp_path / "said.wav"), "-o", str(tmp_path / "no.wav"), "--model", str(tmp_path / "bare")]
    assert main(["revoice", *arguments, "--reference", "own"]) == 1 and "data.seen: units" in capsys.readouterr().err


def test_units_of_another_program_are_voiced(units_voice, tmp_path, capsys):
    path, out = tmp_path / "units.npy", tmp_path / "out.wav"
    command = ["revoice", str(path), "-o", str(out), "--model", str(units_voice), "--consent", "--reference"]
    np.save(path, np.arange(31) % UNITS)
    assert main([*command, "anonymous:3"]) == 0 and len(read_wave(out)) == 32 * 320
    speaker = torch.from_numpy(anonymous_vector(shipped_pool(), None, 3))[None]
    expected = say_units(load_model(units_voice), read_units(path, UNITS), speaker)
    assert np.abs(read_wave(out) - expected.clip(-1, 1)).max() < 1e-3
    out.unlink()
    assert main([*command, "own"]) == 2 and "units have no voice" in capsys.readouterr().err
    for wrong, message in (
        (np.array([UNITS]), f"0 to {UNITS - 1}"), (np.array([-1]), f"0 to {UNITS - 1}"), (np.zeros(3), "whole numbers"),
        (np.array([], int), "whole numbers"), (np.array([{}]), "cannot be read"),
    ):  # fmt: skip
        np.save(path, wrong, allow_pickle=True)
        assert main([*command, "anonymous"]) == 1 and message in capsys.readouterr().err and not out.exists()


def vector_pool(count, seed=0):
    """Vectors (count, 256) of length 1, without negative entries, most of them far from each other."""
    rng = np.random.default_rng(seed)
    vectors = rng.random((count, 256)) * (rng.random((count, 256)) < 0.15)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(20))
def test_anonymous_voice_is_far_from_its_source_and_is_not_in_the_pool(seed):
    source, *others = vector_pool(20)
    anonymous = anonymous_vector(others, source, seed)
    assert (
        anonymous @ source < FAR and np.linalg.norm(anonymous) == pytest.approx(1, abs=1e-5) and (anonymous >= 0).all()
    )
    assert all(anonymous @ other < 0.99 for other in others)
    assert np.array_equal(anonymous, anonymous_vector(others, source, seed))
    assert not np.array_equal(anonymous, anonymous_vector(others, source, seed + 1))


def test_refuses_pool_of_near_voices():
    source, *others = vector_pool(6)
    near = [(source + 0.1 * other) / np.linalg.norm(source + 0.1 * other) for other in others]
    with pytest.raises(VsrError, match="0 of 5 voices are far"):
        anonymous_vector(near, source)
    with pytest.raises(VsrError, match="2 of 2"):
        anonymous_vector(others[:2], source)


def test_shipped_pool_hides_its_own_voices():
    voices = shipped_pool()
    assert voices.shape == (261, 256) and np.allclose(np.linalg.norm(voices, axis=1), 1, atol=1e-5)
    for index in range(0, 261, 20):
        others = np.delete(voices, index, 0)
        assert anonymous_vector(others, voices[index], index) @ voices[index] < FAR


def test_only_the_farthest_voices_are_used():
    source, *others = vector_pool(3 * CHOICE)
    near = sorted(others, key=lambda other: other @ source)
    assert all(
        np.array_equal(anonymous_vector(others, source, seed), anonymous_vector(near[:CHOICE], source, seed))
        for seed in range(5)
    )
    assert np.linalg.norm(anonymous_vector(others, None, 1)) == pytest.approx(1, abs=1e-5)


def test_seeds_are_parsed_and_wrong_ones_refused():
    assert [seed_of(reference) for reference in ("own", "a.wav", "anonymous", "anonymous:7")] == [None, None, 0, 7]
    for wrong in ("anonymous:", "anonymous:x", "anonymous:-1"):
        with pytest.raises(VsrError, match="seed"):
            seed_of(wrong)


def test_revoice_writes_a_marked_file_and_refuses_wrong_options(units_voice, voice_like, tmp_path, capsys):
    recording, out = tmp_path / "said.wav", tmp_path / "out.wav"
    write_wave(recording, voice_like)
    command = ["revoice", str(recording), "--model", str(units_voice)]
    assert main([*command, "-o", str(out), "--reference", str(recording)]) == 0
    assert len(read_wave(out)) == len(voice_like) and b"synthetic voice" in out.read_bytes()
    capsys.readouterr()
    for options, message in (
        (["--reference", "own", "--pool", str(tmp_path)], "--pool works only with"),
        (["--reference", "anna"], "no such file"),
        (["--reference", "anonymous", "--pool", str(tmp_path / "none")], "no recordings"),
    ):  # fmt: skip
        assert main([*command, "-o", str(tmp_path / "no.wav"), *options]) == 2 and message in capsys.readouterr().err
    assert main([*command, "-o", str(recording), "--reference", "own"]) == 1
    assert main([*command, "-o", str(tmp_path / "no.mp4"), "--reference", "own"]) == 2
    assert not list(tmp_path.glob("no.*"))


@pytest.fixture
def emotional_voice(units_voice):
    """The voice with an emotion condition whose weights are non-zero."""
    conditions = {"felt": {"kind": "emotion", "emotions": ["sad", "angry"]}}
    return replace(load_model(units_voice), voice=tiny_voice(conditions=conditions))


def test_emotion_changes_the_voice_and_none_does_not(emotional_voice, voice_like):
    speaker = speakers(1)
    waves = {name: revoice(emotional_voice, voice_like, speaker, emotion=name) for name in ("", "sad", "angry")}
    assert {len(wave) for wave in waves.values()} == {len(voice_like)}
    assert not np.allclose(waves["sad"], waves["angry"]) and not np.allclose(waves["sad"], waves[""])
    assert np.array_equal(waves[""], revoice(emotional_voice, voice_like, speaker))


def test_refuses_emotion_that_the_voice_does_not_know(emotional_voice, units_voice, voice_like, tmp_path, capsys):
    with pytest.raises(VsrError, match="angry, sad"):
        revoice(emotional_voice, voice_like, speakers(1), emotion="glad")
    write_wave(tmp_path / "said.wav", voice_like)
    command = ["revoice", str(tmp_path / "said.wav"), "-o", str(tmp_path / "no.wav"), "--reference", "anonymous"]
    assert main([*command, "--model", str(units_voice), "--emotion", "sad"]) == 1
    assert "knows no emotions" in capsys.readouterr().err and not (tmp_path / "no.wav").exists()


def test_emotion_track_is_set_by_the_words_of_a_clip():
    track = EmotionTrack(("sad", "angry"))
    values = track.load(Clip("a", "", "", words=(("angry", 0.1, 0.2), ("blue", 0.2, 0.3))), 20)
    assert values[:, 0].sum() == 0 and values[:, 1].tolist() == [0] * 5 + [1] * 5 + [0] * 10
    with pytest.raises(VsrError, match="no word of it"):
        track.load(Clip("a", "", "", words=(("blue", 0.2, 0.3),)), 20)
    with pytest.raises(ValueError, match="each once"):
        EmotionTrack(("sad", "sad"))
