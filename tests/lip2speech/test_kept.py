"""Features, units and voices of an earlier run are kept only if made from the same inputs."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from lip2speech.cli import main
from lip2speech.features.corpus import extract_corpus
from lip2speech.inference.folder import save_voice
from lip2speech.models.parts import save_part
from tests.lip2speech.test_audio import chirp, write_video_with_sound
from tests.lip2speech.tiny import UNITS, tiny_vocoder, tiny_voice
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, write_manifest
from vsr.media.audio import write_wave
from vsr.media.units import Codebook, Mfcc, fit_codebook


@pytest.fixture
def clips(tmp_path):
    """Two clips of one speaker, with crops."""
    sounds = {"a": chirp(1.2), "b": np.ascontiguousarray(chirp(1.2)[::-1])}
    videos = [write_video_with_sound(tmp_path / f"{name}.mkv", wave, 30, ("libx264", "pcm_s16le"), rate=16_000)
             for name, wave in sounds.items()]  # fmt: skip
    made_clips = []
    for name, video in zip("ab", videos, strict=True):
        np.save(tmp_path / f"{name}.npy", np.zeros((30, 96, 96), np.uint8))
        made_clips.append(Clip(name, str(video), "text", "s", 30, str(tmp_path / f"{name}.npy")))
    write_manifest(tmp_path / "clips.jsonl", made_clips)
    return made_clips


@pytest.fixture
def codebook(tmp_path):
    fit_codebook(Mfcc(), [chirp(4.0)], UNITS).save(tmp_path / "units.safetensors")
    return tmp_path / "units.safetensors"


def test_features_depend_on_codebook_video_and_part(clips, codebook, tmp_path, capsys):
    out = tmp_path / "features"
    assert extract_corpus(clips, codebook, out) == {"made": 2} and extract_corpus(clips, codebook, out) == {"kept": 2}
    assert "features: 2 kept" in capsys.readouterr().err
    fit_codebook(Mfcc(), [chirp(4.0)], UNITS, seed=1).save(codebook)
    assert extract_corpus(clips, codebook, out) == {"made": 2}, "a codebook of the same name and size"
    assert "2 other codebook" in capsys.readouterr().err
    shutil.copy(clips[1].video, clips[0].video)
    assert extract_corpus(clips, codebook, out) == {"made": 1, "kept": 1}
    assert "1 other video" in capsys.readouterr().err
    shorter = [replace(clips[0], end=0.8, num_frames=20), clips[1]]
    assert extract_corpus(shorter, codebook, out) == {"made": 1, "kept": 1}
    (out / ".made.jsonl").unlink()
    assert extract_corpus(shorter, codebook, out) == {"made": 2}, "nothing is known of them"


def run(capsys, *arguments):
    status = main([str(word) for word in arguments])
    output = capsys.readouterr()
    return status, output.out + output.err


def test_units_are_fitted_again_for_other_sounds_or_options(clips, codebook, tmp_path, capsys):
    command = ["units", "--manifest", tmp_path / "clips.jsonl", "--out", tmp_path / "own.safetensors", "--size", 5]
    assert run(capsys, *command) == (0, f"5 units of mfcc: {command[4]}\n")
    first = command[4].read_bytes()
    status, output = run(capsys, *command)
    assert "1 kept" in output and command[4].read_bytes() == first
    status, output = run(capsys, *command, "--size", 6)
    assert "1 other options" in output and len(Codebook.load(command[4])) == 6
    shutil.copy(clips[1].video, clips[0].video)
    assert "1 other sounds" in run(capsys, *command, "--size", 6)[1]
    write_wave(tmp_path / "own.safetensors.wav", chirp(0.1))
    shutil.copy(tmp_path / "own.safetensors.wav", tmp_path / "strange.safetensors")
    assert run(capsys, *command[:4], tmp_path / "strange.safetensors")[0] == 1, "no codebook: it is somebody else's"


@pytest.fixture
def synthesize(clips, codebook, tmp_path, capsys):
    """Run `lip2speech synthesize` of the clips: (number voiced, output)."""
    extract_corpus(clips, codebook, tmp_path / "features")
    save_voice(tmp_path / "acoustic", tiny_voice(), Codebook.load(codebook))
    save_part(tmp_path / "vocoder", tiny_vocoder())
    common = ["synthesize", "--manifest", tmp_path / "clips.jsonl", "--features", tmp_path / "features"]
    common += ["--acoustic", tmp_path / "acoustic", "--vocoder", tmp_path / "vocoder", "--device", "cpu"]

    def run_synthesize(*options, out=tmp_path / "out"):
        flow = [] if "--copy" in options else ["--steps", 1]
        status, output = run(capsys, *common, "--out", out, *flow, *options)
        assert status == 0, output
        return int(output.split(" clips voiced")[0].splitlines()[-1]), output

    return run_synthesize


def test_voices_depend_on_models_options_and_features(synthesize, clips, codebook, tmp_path):
    assert synthesize()[0] == 2
    wave = (tmp_path / "out" / "a.wav").read_bytes()
    assert synthesize()[0] == 0 and "0 clips voiced, 2 kept" in synthesize()[1]
    assert synthesize("--steps", 2)[0] == 2 and (tmp_path / "out" / "a.wav").read_bytes() != wave
    assert "2 other flow" in synthesize("--steps", 2, "--temperature", 0.5)[1]
    assert synthesize("--protocol", "self")[0] == 2
    torch.manual_seed(5)
    save_part(tmp_path / "vocoder", tiny_vocoder(layers=1))
    assert "2 other vocoder" in synthesize("--protocol", "self")[1]
    other = tiny_voice()
    other.default_speaker.mul_(-1)
    save_voice(tmp_path / "acoustic", other, Codebook.load(codebook))
    assert "2 other acoustic model" in synthesize("--protocol", "self")[1]
    np.save(clips[0].crop, np.ones((30, 96, 96), np.uint8))
    assert "1 other crop" in synthesize("--protocol", "self")[1]
    (tmp_path / "out" / "b.safetensors").unlink()
    assert synthesize("--protocol", "self")[0] == 1, "both files of a voice are wanted"


def test_copy_synthesis_depends_only_on_the_vocoder(synthesize, clips, tmp_path):
    assert synthesize("--copy")[0] == 2
    np.save(clips[0].crop, np.ones((30, 96, 96), np.uint8))
    assert synthesize("--copy")[0] == 0 and synthesize("--copy", "--rounds", 2)[0] == 2


def test_recordings_and_features_are_not_replaced_by_voices(synthesize, clips, codebook, tmp_path, capsys):
    with pytest.raises(AssertionError, match="holds the features"):
        synthesize(out=tmp_path / "features")
    (tmp_path / "waves").mkdir()
    write_wave(tmp_path / "waves" / "a.wav", chirp(0.5))
    before = (tmp_path / "waves" / "a.wav").read_bytes()
    with pytest.raises(AssertionError, match="was not made by"):
        synthesize(out=tmp_path / "waves")
    assert (tmp_path / "waves" / "a.wav").read_bytes() == before
    synthesize()
    with pytest.raises(VsrError, match="holds no speech features"):
        extract_corpus(clips, codebook, tmp_path / "out")
    command = ["features", "--manifest", tmp_path / "clips.jsonl", "--units", codebook, "--out", tmp_path]
    shutil.copy(codebook, tmp_path / "a.safetensors")
    command[4] = tmp_path / "a.safetensors"
    assert run(capsys, *command)[0] == 1 and len(Codebook.load(tmp_path / "a.safetensors")) == UNITS
