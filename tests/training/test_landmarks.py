"""A model of mouth tracks is trained by the same command as one of pixels."""

import numpy as np
import pytest

from vsr.cli import main
from vsr.core.clock import FPS
from vsr.data.manifest import Clip, write_manifest
from vsr.face.mouth_features import write_track
from vsr.modelstore.folder import load_model
from vsr.text.tokenizer import WordTokenizer

SETTINGS = """
data: {train: [train.jsonl], dev: [dev.jsonl], tokenizer: words, frames_per_batch: 200}
model: {frontend: landmarks, encoder: recurrent, dim: 16, hidden: 16, layers: 1, decoder_layers: 0}
trainer: {max_epochs: 2, precision: 32-true, threads: 1, accelerator: cpu}
"""


@pytest.fixture()
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, speaker in (("train", "s1"), ("dev", "s2")):
        clips = []
        for index in range(4):
            track = tmp_path / f"{speaker}_{index}.npz"
            points = rng.normal(0, 10, (24, 9, 2))
            points[:, 1, 0] += 60
            write_track(track, points, rng.random((24, 8)))
            words = tuple((word, 8 * k / FPS, 8 * (k + 1) / FPS) for k, word in enumerate(("bin", "blue", "at")))
            clips.append(Clip(track.stem, str(track), "bin blue at", speaker, 24, words=words, track=str(track)))
        write_manifest(tmp_path / f"{name}.jsonl", clips)
    (tmp_path / "words").mkdir()
    WordTokenizer(["at", "bin", "blue"]).save(tmp_path / "words")
    (tmp_path / "conf.yaml").write_text(SETTINGS, encoding="utf-8")
    return tmp_path


def test_model_of_tracks_is_trained(corpus, capsys):
    assert main(["train", "--config", "conf.yaml", "--out", "exp"]) == 0
    assert "ctc" in capsys.readouterr().out
    loaded = load_model(corpus / "exp" / "model")
    assert loaded.model.decoder is None and loaded.model.config.frontend == "landmarks"


def test_refuses_lists_that_share_a_clip(corpus, capsys):
    assert main(["train", "--config", "conf.yaml", "--out", "exp", "--set", "data.dev=[train.jsonl]"]) == 1
    assert "share" in capsys.readouterr().err


def test_refuses_clips_without_text(corpus, capsys):
    """They were not looked at."""
    command = [
        "train",
        "--config",
        "conf.yaml",
        "--out",
        "exp",
        "--set",
        "objective=usr",
        "data.unlabelled=[dev.jsonl]",
    ]
    assert main(command) == 1
    assert "data.unlabelled: a reader of tracks learns from clips with text alone" in capsys.readouterr().err
    assert not (corpus / "exp").exists()
