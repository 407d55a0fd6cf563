"""Lip to speech on a small LRS3: unseen speakers, units of a HuBERT, all stages; and what stops it early."""

import re
import shutil

import numpy as np
import pytest

from tests import lrs_tree
from tests.recipes.test_recipes import run_recipe
from vsr.core.files import read_json
from vsr.media.mux.mux import mux

LISTS = """
data:
  train: [data/crops/train/manifest.jsonl]
  dev: [data/crops/dev/manifest.jsonl]
  tests: [data/crops/test/manifest.jsonl]
  features: data/features
"""
FLOW = f"""{LISTS}
  units: data/units.safetensors
  frames_per_batch: 120
  views: 0
model: {{encoder: frozen, dim: 16, heads: 2, layers: 1, velocity_layers: 1, hidden: 32, kernel: 3}}
trainer: {{max_epochs: 2, precision: 32-true, threads: 1}}
"""
VOCODER = f"""{LISTS}
  segment: 14
  clips_per_batch: 4
model: {{dim: 16, hidden: 32, layers: 1}}
gan: {{width: 4, after: 0.5}}
trainer: {{max_epochs: 2, precision: 32-true, threads: 1}}
"""


@pytest.fixture(scope="module")
def video(tmp_path_factory, make_video, make_face):
    """2.28 s of a face, with a sound that the metrics take for speech: four of them are one window of DNSMOS."""
    folder, rng = tmp_path_factory.mktemp("spoken"), np.random.default_rng(0)
    time = np.arange(36_480) / 16_000
    voiced = sum(np.sin(2 * np.pi * 120 * k * time + k) / k for k in range(1, 30))
    noise = np.convolve(rng.normal(size=36_480), [1, -0.9], "same")
    wave = (0.1 * (voiced + 0.3 * noise) * np.clip(np.sin(2 * np.pi * 2.5 * time), 0, 1)).astype(np.float32)
    mux(make_video(folder / "face.mp4", make_face(57, 224)), wave, folder / "spoken.mp4")
    return folder / "spoken.mp4"


@pytest.fixture(scope="module")
def hubert(tmp_path_factory):
    """A HuBERT of the real class with random weights."""
    from transformers import HubertConfig, HubertModel

    config = HubertConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        conv_dim=(8,) * 7, num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("hubert")
    HubertModel(config).save_pretrained(folder)
    return folder


def make_corpus(folder, video):
    """The tree, and lists of different speakers."""
    root = lrs_tree.make_lrs3(folder / "lrs3", video, talks=3, clips=1, long_words=3)
    lists = folder / "lists"
    lists.mkdir()
    for part, names in (
        ("train", ["pretrain/pt00-_aBcDe/00001", "pretrain/pt00-_aBcDe/00002", "trainval/tv00_-aBcDe/00001"]),
        ("val", ["trainval/tv01_-aBcDe/00001"]),
        ("test", ["test/-te00xyzxyz/00001", "test/-te00xyzxyz/00002"]),
    ):
        (lists / f"lrs3_unseen_{part}.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return root, lists


@pytest.mark.slow
def test_unseen_speakers_from_the_corpus_to_results(tmp_path, video, hubert, tiny_model, make_video, make_face):
    root, lists = make_corpus(tmp_path, video)
    silent = make_video(tmp_path / "silent.mp4", make_face(57, 224))
    shutil.copy(silent, root / "trainval/tv00_-aBcDe/00001.mp4")
    (tmp_path / "flow.yaml").write_text(FLOW, encoding="utf-8")
    (tmp_path / "vocoder.yaml").write_text(VOCODER, encoding="utf-8")
    options = {
        "corpus": root, "lists": lists, "reader": tiny_model, "extractor": f"hubert:{hubert}:1", "num-units": 7,
        "config": tmp_path / "flow.yaml", "vocoder-config": tmp_path / "vocoder.yaml",
        "tune-config": tmp_path / "vocoder.yaml", "tune-minutes": 0.01,
        "tune-clips": 1, "steps": 1, "protocol": "vision", "nj": 1, "gpus": 0,
    }  # fmt: skip
    arguments = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    result = run_recipe("lrs3/lip2speech", tmp_path, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "DIFFERS: names in lrs3_unseen_test.txt: 2, published 1,308" in result.stdout
    assert "train: 1 of 3 clips have no features: 1 no_sound" in result.stdout
    page = (tmp_path / "work" / "RESULTS.md").read_text(encoding="utf-8")
    assert "Reference voice: vision (none: the model's own voice)" in page
    assert "Command: `egs/lrs3/lip2speech/run.sh --" in page
    assert re.search(r"\| natural \| 2 \| 0 \| 0 \| 1.000 \| 1.000 \|", page), page
    assert re.search(r"\| copy \| .*\n\| copy32 \| .*\n\| system \| ", page), page
    assert read_json(tmp_path / "work/exp/flow/model/config.json")["model"]["units"] == 7
    assert (tmp_path / "work/exp/flow/predicted/train.jsonl").read_text(encoding="utf-8").count("\n") == 1


@pytest.mark.parametrize(
    "change, message",
    [
        ({"lists": "/nowhere"}, "holds no lrs3_unseen_train.txt"),
        ({"corpus": "/nowhere"}, "it is not LRS3"),
        ({"config": "/nowhere.yaml"}, "no configuration /nowhere.yaml"),
    ],
)
def test_missing_inputs_stop_at_once(tmp_path, change, message):
    root, lists = make_corpus(tmp_path, None)
    options = {"corpus": root, "lists": lists} | change
    arguments = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    result = run_recipe("lrs3/lip2speech", tmp_path, *arguments)
    assert result.returncode == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1
