"""Training on sound without faces: its features, its units instead of lips, and a model that starts from it."""

import json

import numpy as np
import pytest
import torch
import yaml

from lip2speech.cli import main
from lip2speech.features.stored import load_features
from lip2speech.features.unit_input import UnitDataset, unit_vectors
from vsr.core.errors import VsrError
from vsr.data.manifest import read_manifest
from vsr.media.audio import write_wave
from vsr.media.units import Codebook, Mfcc

K, D = 9, 16


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Recordings of two speakers, one of them too short, with their features."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "in").mkdir()
    rng, time = np.random.default_rng(0), np.arange(48_000) / 16_000
    for name, seconds in (("12-a-1", 1.5), ("12-a-2", 2.01), ("34-b-1", 1.2), ("34-b-2", 0.5)):
        wave = sum(np.sin(2 * np.pi * 130 * k * time) / k for k in range(1, 30)) * (1 + np.sin(20 * time)) / 10
        wave = (wave + rng.normal(0, 0.01, len(time))).astype(np.float32)
        write_wave(folder / "in" / f"{name}.wav", wave[: int(16_000 * seconds)])
    centres = torch.randn(K, Mfcc().frames(torch.zeros(6400)).shape[1], generator=torch.Generator().manual_seed(0))
    Codebook(centres, "mfcc").save(folder / "units.safetensors")
    options = ["--units", str(folder / "units.safetensors"), "--out", str(folder / "made")]
    assert main(["features", "--sound", str(folder / "in"), *options]) == 0
    return folder


def test_recordings_become_clips_of_their_length(sound):
    clips = read_manifest(sound / "made" / "sound.jsonl")
    assert [(clip.id, clip.speaker, clip.num_frames) for clip in clips] == [
        ("12-a-1", "12", 37), ("12-a-2", "12", 50), ("34-b-1", "34", 30)
    ]  # fmt: skip
    stored = load_features(sound / "made", clips[0])
    assert len(stored.wave) == 37 * 640 and stored.wave.std() > 0.05 and len(stored.units) == 74


def dataset(sound, hidden=0.0):
    units_dataset = UnitDataset(read_manifest(sound / "made" / "sound.jsonl"), sound / "made", None, None)
    units_dataset.vectors, units_dataset.hidden = unit_vectors(K, D), hidden
    return units_dataset


def test_units_are_the_inputs_and_some_are_hidden_in_training(sound):
    without_hiding, masked = dataset(sound), dataset(sound, 0.5)
    batch = without_hiding.batch([0, 1])
    assert batch.visual.shape == (2, 50, 2 * D) and not batch.visual[0, 37:].any()
    units = batch.units[1].view(-1, 2)
    assert torch.equal(
        batch.visual[1], torch.cat([without_hiding.vectors[units[:, 0]], without_hiding.vectors[units[:, 1]]], 1)
    )
    first, again, later = (masked.batch([1], epoch).visual for epoch in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, later)
    hidden = (first == 0).all(-1)
    assert hidden.any() and torch.equal(first[~hidden], batch.visual[1:][~hidden])


def settings(sound, **data):
    sizes = {"encoder": "frozen", "dim": 16, "layers": 1, "velocity_layers": 1, "heads": 2, "hidden": 32}
    lines = [json.loads(line) for line in (sound / "made" / "sound.jsonl").read_text().splitlines()]
    for name, rows in (("train", lines[:2]), ("dev", lines[2:])):
        (sound / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    base = {
        "train": [str(sound / "train.jsonl")], "dev": [str(sound / "dev.jsonl")], "features": str(sound / "made"),
        "units": str(sound / "units.safetensors"), "seen": "units",
    }  # fmt: skip
    trainer = {"max_epochs": 1, "threads": 1, "accelerator": "cpu"}
    return {"data": base | data, "model": sizes, "trainer": trainer}


def train(sound, name, **changes):
    (sound / f"{name}.yaml").write_text(yaml.safe_dump(settings(sound) | changes))
    return main(["train", "--config", str(sound / f"{name}.yaml"), "--out", str(sound / name)])


def test_model_is_trained_and_another_run_starts_from_it(sound):
    assert train(sound, "a") == 0
    assert json.loads((sound / "a" / "model" / "config.json").read_text("utf-8"))["seen"] == "units"
    trainer = settings(sound)["trainer"] | {"init_from": str(sound / "a" / "model")}
    assert train(sound, "b", trainer=trainer) == 0


def test_refuses_impossible_settings(sound, capsys):
    assert train(sound, "c", model={"encoder": "finetuned"}) == 1
    assert "model.encoder must be frozen" in capsys.readouterr().err
    assert main(["features", "--units", "u", "--out", str(sound / "no")]) == 2
    assert "give --manifest, --sound or both" in capsys.readouterr().err
    from lip2speech.training.acoustic import SpeechDataConfig

    with pytest.raises(VsrError, match="data.seen is 'ears'"):
        SpeechDataConfig(("a",), ("b",), "f", "u", seen="ears")
