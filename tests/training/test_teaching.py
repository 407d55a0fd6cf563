"""`vsr teach`: targets are the teacher's own outputs, are kept while nothing changes, and fit one student."""

import json
import wave

import numpy as np
import pytest
import torch

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data.codebook import read_codebook
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.sound_input import clip_wave
from vsr.data.teacher_targets import read_teacher_target
from vsr.decoding.encoding import encode, sound_of
from vsr.models.distillation_kinds import (
    ContextDistillationSettings,
    FrameDistillationSettings,
    PosteriorDistillationSettings,
)
from vsr.modelstore.folder import load_model
from vsr.text.tokenizer import CharTokenizer

TEXTS = {"a": "bin blue", "b": "lay red now"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder, clips = tmp_path_factory.mktemp("corpus"), []
    for number, (name, text) in enumerate(TEXTS.items()):
        frames, rng = 10 + 5 * number, np.random.default_rng(number)
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes((3000 * rng.standard_normal(640 * frames)).astype("<i2").tobytes())
        crop = str(folder / f"{name}.npy")
        clips.append(Clip(name, "none.mp4", text, num_frames=frames, crop=crop, sound=str(folder / f"{name}.wav")))
    write_manifest(folder / "manifest.jsonl", clips)
    return folder


def teach(corpus, out, *options):
    return main(
        ["teach", "--manifest", str(corpus / "manifest.jsonl"), "--teacher", "grid-av", "--out", str(out), *options]
    )


@pytest.fixture(scope="module")
def stored(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("teacher") / "out"
    assert teach(corpus, out) == 0
    return out


def test_targets_are_the_teachers_outputs(corpus, stored):
    loaded = load_model("grid-av")
    for clip in read_manifest(corpus / "manifest.jsonl"):
        with torch.inference_mode():
            states = encode(loaded, {"sound": sound_of(loaded, [clip_wave(clip)])}, torch.tensor([clip.num_frames]))[0]
            ctc = loaded.model.ctc_log_probs(states)
        stored_states = read_teacher_target(stored, clip, "states", clip.num_frames, (1, 192))
        assert np.abs(stored_states[:, 0] - states.numpy()).max() < 0.01
        stored_ctc = read_teacher_target(stored, clip, "ctc", clip.num_frames, (41,), loaded.tokenizer)
        assert np.abs(np.exp(stored_ctc) - ctc.exp().numpy()).max() < 0.01
        assert np.allclose(np.exp(stored_ctc).sum(-1), 1, atol=0.01)
        targets = ContextDistillationSettings(str(stored)).targets(clip, clip.num_frames, loaded.tokenizer)
        assert len(targets["context"].values) == len(targets["known"].values) == len(clip.text) + 1
        assert targets["known"].values[-1] == -1


def test_existing_targets_are_kept(corpus, stored, capsys):
    assert teach(corpus, stored) == 0
    assert "2 kept" in capsys.readouterr().out


def test_killed_run_resumes_and_foreign_files_stay(corpus, tmp_path, capsys):
    """A file without its line in the ledger is made again; one that is no target is not touched."""
    assert teach(corpus, tmp_path / "out") == 0
    ledger = tmp_path / "out/.made.jsonl"
    ledger.write_text("\n".join(line for line in ledger.read_text().splitlines() if '"b.safe' not in line))
    assert teach(corpus, tmp_path / "out") == 0
    assert "1 kept, 1 written" in capsys.readouterr().out
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/a.safetensors").write_bytes(b"theirs")
    assert teach(corpus, tmp_path / "theirs") == 1
    assert "no target of vsr teach" in capsys.readouterr().err
    assert (tmp_path / "theirs/a.safetensors").read_bytes() == b"theirs"


def test_targets_of_a_changed_text_are_made_again(corpus, tmp_path, capsys):
    clips = read_manifest(corpus / "manifest.jsonl")
    write_manifest(tmp_path / "manifest.jsonl", clips)
    assert teach(tmp_path, tmp_path / "out") == 0
    other = Clip(**{**clips[0].__dict__, "text": "place green"})
    write_manifest(tmp_path / "manifest.jsonl", [other, clips[1]])
    with pytest.raises(VsrError, match="text of a was another one"):
        ContextDistillationSettings(str(tmp_path / "out")).targets(other, 10, load_model("grid-av").tokenizer)
    assert teach(tmp_path, tmp_path / "out") == 0
    output = capsys.readouterr()
    assert "1 kept, 1 written" in output.out and "other text" in output.err


def test_refuses_targets_of_other_tokens(corpus, stored):
    clip = read_manifest(corpus / "manifest.jsonl")[0]
    with pytest.raises(VsrError, match="other tokens"):
        PosteriorDistillationSettings(str(stored)).targets(clip, 10, CharTokenizer("abc "))


@pytest.mark.parametrize("settings, frames, message", [
    (FrameDistillationSettings("nowhere"), 10, "run vsr teach"),
    (FrameDistillationSettings("", width=7), 10, "and not"),
    (FrameDistillationSettings(""), 11, "and not"),
])  # fmt: skip
def test_refuses_targets_that_do_not_fit(corpus, stored, settings, frames, message):
    clip = read_manifest(corpus / "manifest.jsonl")[0]
    settings = settings if settings.folder else type(settings)(str(stored), settings.width)
    with pytest.raises(VsrError, match=message):
        settings.targets(clip, frames, None)


@pytest.mark.parametrize("options, message", [
    (["--teacher", "grid"], "does not hear"), (["--layer", "3"], "--layer"),
])  # fmt: skip
def test_refuses_impossible_teachers_in_one_line(corpus, tmp_path, capsys, options, message):
    assert teach(corpus, tmp_path / "out", *options) == 2
    output = capsys.readouterr()
    assert message in output.err and "\n" not in output.err.strip() and not (tmp_path / "out").exists()


def test_refuses_clips_without_sound(corpus, tmp_path, capsys):
    clips = [Clip(**{**clip.__dict__, "sound": ""}) for clip in read_manifest(corpus / "manifest.jsonl")]
    write_manifest(tmp_path / "manifest.jsonl", clips)
    assert teach(tmp_path, tmp_path / "out") == 1
    assert "run vsr waves" in capsys.readouterr().err


def test_foundation_model_gives_two_states_per_frame(corpus, tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    convolutions = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
    torch.manual_seed(0)
    transformers.HubertModel(transformers.HubertConfig(**sizes, **convolutions)).save_pretrained(tmp_path / "hubert")
    assert json.loads((tmp_path / "hubert/config.json").read_text())["model_type"] == "hubert"
    arguments = ["--manifest", str(corpus / "manifest.jsonl"), "--teacher", str(tmp_path / "hubert")]
    for layer in ("1", "-1"):
        assert main(["teach", *arguments, "--out", str(tmp_path / layer), "--layer", layer]) == 0
    clip = read_manifest(corpus / "manifest.jsonl")[1]
    lower, last = (read_teacher_target(tmp_path / layer, clip, "states", 15, (2, 16)) for layer in ("1", "-1"))
    assert np.isfinite(last).all() and np.abs(lower - last).max() > 0.01


def test_refuses_folder_that_is_no_whisper(corpus, tmp_path, capsys):
    pytest.importorskip("faster_whisper", reason="pip install faster-whisper to hear with Whisper of CTranslate2")
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper/model.bin").write_bytes(b"nothing")
    assert teach(corpus, tmp_path / "out", "--teacher", str(tmp_path / "whisper")) == 1
    assert "no Whisper of CTranslate2" in capsys.readouterr().err


def test_codebook_is_made_of_the_states(corpus, tmp_path, capsys):
    assert teach(corpus, tmp_path / "out", "--codebook", "3") == 0
    assert "3 centroids of 2 clips" in capsys.readouterr().out
    assert read_codebook(tmp_path / "out/codebook.safetensors").shape == (3, 192)
    assert teach(corpus, tmp_path / "out", "--codebook", "26") == 2
    assert "these clips have 25 states" in capsys.readouterr().err
