"""Every dataset teaches the pronunciation that the tokenizer draws or was told to take, not always the first."""

from dataclasses import replace

import numpy as np
import pytest

from tests.data.test_audio_visual import make_clips
from vsr.core.errors import VsrError
from vsr.data.audio_visual import AudioVisualDataset
from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip, write_manifest
from vsr.data.tracks import TrackDataset
from vsr.face.mouth_features import write_track
from vsr.text.unit_tokenizers import UnitSettings, units_tokenizer
from vsr.training.config import TrainConfig
from vsr.training.landmarks import LandmarkRun
from vsr.training.typed_yaml import build


@pytest.fixture
def tokenizer_of(tmp_path):
    (tmp_path / "dictionary.txt").write_text("a AH\na EY\nb B IY\nb B EH\n")

    def make(pronunciation):
        settings = UnitSettings(pronunciation=pronunciation, dictionary=(str(tmp_path / "dictionary.txt"),))
        return units_tokenizer(settings, ["a b"])

    return make


@pytest.fixture
def track(tmp_path):
    write_track(tmp_path / "t.npz", np.random.default_rng(0).normal(60, 10, (24, 9, 2)), np.zeros((24, 8)))
    return Clip("t", "t.mp4", "a b a", "s", 24, words=(("a", 0.1, 0.3),), track=str(tmp_path / "t.npz"))


KINDS = {
    "crops": lambda clips, tokenizer: CropDataset(clips, tokenizer, None),
    "lips and sound": AudioVisualDataset,
    "tracks": TrackDataset,
}


@pytest.mark.parametrize("kind", KINDS)
def test_pronunciation_is_that_of_the_tokenizer(kind, tokenizer_of, track, tmp_path):
    clips = [track] if kind == "tracks" else [replace(make_clips(tmp_path, 1)[0], text="a b a", words=())]

    def taught(tokenizer, epoch=0):
        return tuple(KINDS[kind](clips, tokenizer).item(0, epoch).targets["tokens"].tolist())

    every, best = tokenizer_of("all"), tokenizer_of("best")
    assert len({taught(every, epoch) for epoch in range(12)}) > 1
    assert taught(every, 3) == taught(every, 3), "a resumed run draws the same"
    best.chosen = {clips[0].id: [1] * len(clips[0].text.split())}
    assert taught(best) == tuple(best.joined([best.variants(word)[1] for word in clips[0].text.split()]))


def test_reader_of_tracks_refuses_to_choose(tokenizer_of, track, tmp_path):
    write_manifest(tmp_path / "train.jsonl", [track])
    write_manifest(tmp_path / "dev.jsonl", [Clip(**vars(track) | {"id": "d", "video": "d.mp4"})])
    (tmp_path / "phones").mkdir()
    tokenizer_of("best").save(tmp_path / "phones")
    data = {
        "train": [str(tmp_path / "train.jsonl")], "dev": [str(tmp_path / "dev.jsonl")],
        "tokenizer": str(tmp_path / "phones"),
    }  # fmt: skip
    model = {"frontend": "landmarks", "encoder": "recurrent", "dim": 16, "hidden": 16, "decoder_layers": 0}
    config = build(TrainConfig, {"data": data, "model": model, "trainer": {"accelerator": "cpu"}})
    with pytest.raises(VsrError, match="--pronunciation all, or first"):
        LandmarkRun(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
