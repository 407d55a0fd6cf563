"""Published tracks become a file for each sentence; nobody who is tested on is among them."""

import json

import numpy as np
import pytest

from vsr.cli import main
from vsr.corpora.grid_lists import LISTS
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.face.mouth_features import read_track


def speaker(folder, name, names=("bbaf2n", "lrbr3s"), **changes):
    frames = np.array([[3, 4, 2, 5, 4, 6]] * len(names))
    total = int(frames.sum())
    arrays = {
        "names": np.array(names), "texts": np.array(["bin blue at f two now"] * len(names)), "word_frames": frames,
        "word_starts": np.cumsum(frames, 1), "points_px50": np.arange(total * 18).reshape(total, 9, 2).astype(np.int16),
        "measures": np.full((total, 8), 0.5, np.float16),
    }  # fmt: skip
    np.savez(folder / f"{name}.npz", **(arrays | changes))


def prepared(folder, *options):
    return main(["prepare", "landmarks", "--corpus", str(folder), "--out", str(folder / "out"), *options])


def test_sentences_become_clips_with_their_words(tmp_path, capsys):
    speaker(tmp_path, "s2")
    speaker(tmp_path, "s13")
    assert prepared(tmp_path) == 0
    assert "train 2" in capsys.readouterr().out
    clip = read_manifest(tmp_path / "out" / "train.jsonl")[1]
    assert (clip.id, clip.num_frames, clip.words[1]) == ("s2_lrbr3s", 24, ("blue", 3 / 25, 7 / 25))
    points, measures = read_track(clip.track)
    assert points[0, 0, 1] == pytest.approx((24 * 18 + 1) / 50) and (measures == 0.5).all()
    assert [clip.speaker for clip in read_manifest(tmp_path / "out" / "dev.jsonl")] == ["s13"] * 2


def test_clips_of_dev_and_test_lists_are_left_out(tmp_path, capsys):
    speaker(tmp_path, "s2")
    write_manifest(tmp_path / "lists" / "test_s2s5.jsonl", [Clip("s2_bbaf2n", "v", "bin")])
    write_manifest(tmp_path / "lists" / "train.jsonl", [Clip("s2_lrbr3s", "v", "lay")])
    assert prepared(tmp_path, "--lists", str(tmp_path / "lists")) == 0
    assert [clip.id for clip in read_manifest(tmp_path / "out" / "train.jsonl")] == ["s2_lrbr3s"]
    assert json.loads((tmp_path / "out" / "report.json").read_text())["clips"]["held out"] == 1


def test_refuses_impossible_tracks(tmp_path, capsys):
    assert prepared(tmp_path) == 1
    speaker(tmp_path, "s2", measures=np.zeros((3, 8)))
    assert prepared(tmp_path) == 1
    assert "do not fit together" in capsys.readouterr().err
    (tmp_path / "s2.npz").unlink()
    speaker(tmp_path, "s31")
    assert prepared(tmp_path) == 1
    assert "only tested on" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "count"), [("dev", 40), ("test_s1", 100), ("test_s2s5", 16)])
def test_lists_of_grid_are_fixed(name, count):
    assert len(LISTS[name]) == count
    assert not any(LISTS[name] & LISTS[other] for other in LISTS if other != name)
