"""A listener is trained for a voice, given whole or as its acoustic model, and becomes part of it."""

import shutil

import pytest
import torch
import yaml
from safetensors.torch import save_file

from lip2speech.cli import main
from lip2speech.inference.folder import load_model
from vsr.core.files import read_json
from vsr.data.manifest import Clip, write_manifest

FRAMES, WORDS = 25, (("bin", 0.1, 0.4), ("now", 0.5, 0.9))


@pytest.fixture
def lists(tmp_path):
    """Clips whose words are loud in different bands, and their features."""
    features = tmp_path / "features"
    features.mkdir()
    for name, count in (("train", 4), ("dev", 2)):
        clips = [Clip(f"{name}{i}", f"{name}{i}.mp4", "bin now", "s", FRAMES, words=WORDS) for i in range(count)]
        write_manifest(tmp_path / f"{name}.jsonl", clips)
        for number, clip in enumerate(clips):
            mel = 0.1 * torch.randn(4 * FRAMES, 80, generator=torch.Generator().manual_seed(number))
            mel[10:40, :40] += 3
            mel[50:90, 40:] += 3
            rest = {"wave": torch.zeros(640 * FRAMES, dtype=torch.int16), "speaker": torch.zeros(256)}
            units = torch.zeros(2 * FRAMES, dtype=torch.int16)
            save_file({"mel": mel, "units": units} | rest, str(features / f"{clip.id}.safetensors"))
    return tmp_path


@pytest.mark.parametrize("part", ["", "acoustic"])
def test_listener_learns_its_words_and_joins_its_voice(lists, tiny_voice_folder, part, capsys):
    config = {
        "data": {
            "train": [str(lists / "train.jsonl")], "dev": [str(lists / "dev.jsonl")],
            "features": str(lists / "features"), "voice": str(tiny_voice_folder / part),
        },
        "model": {"dim": 16}, "optim": {"lr": 0.01, "warmup_steps": 1, "ema": 0.5},
        "trainer": {"max_epochs": 40, "precision": "32-true", "threads": 1},
    }  # fmt: skip
    (lists / "listener.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert main(["listener", "--config", str(lists / "listener.yaml"), "--dry-run"]) == 0
    assert "which of 2 words" in capsys.readouterr().out and not (lists / "run").exists()
    assert main(["listener", "--config", str(lists / "listener.yaml"), "--out", str(lists / "run")]) == 0
    assert read_json(lists / "run/model/config.json")["model"]["words"] == ["bin", "now"]
    voice = lists / "voice"
    shutil.copytree(tiny_voice_folder, voice)
    shutil.copytree(lists / "run/model", voice / "acoustic/listener")
    listener = load_model(voice).listener
    mel = torch.zeros(1, 40, 80)
    mel[:, :20, :40], mel[:, 20:, 40:] = 3.0, 3.0
    pairs = load_model(voice).voice.normalise(mel)
    classes = listener(pairs, torch.ones(1, 20, dtype=torch.bool)).argmax(-1)[0]
    assert (classes[1:9] == listener.class_of("bin")).all() and (classes[11:19] == listener.class_of("now")).all()
