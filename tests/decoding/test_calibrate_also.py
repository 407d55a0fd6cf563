"""What is fitted to one model is kept by another, too, which was trained on the people of the lists."""

import json
import shutil
from pathlib import Path

import numpy as np

from vsr.cli import main
from vsr.cli.commands import calibrate
from vsr.data.manifest import Clip, write_manifest
from vsr.inference.calibration import AssessedWindow

CLIP = Path(__file__).parents[2] / "demo" / "clip.mp4"


def read(loaded, clips, inside):
    """In the place of reading videos: sure and right inside, unsure and wrong outside."""
    dice = np.random.default_rng(0)
    rows = np.array([4.0, -0.1, 0.1, 1.0]) * (1.0 if inside else -0.3) + dice.normal(size=(30, 4)) * 0.1
    return [AssessedWindow(f"clip{k % 3}", row, (0.9, 0.8), (inside, inside)) for k, row in enumerate(rows)]


def lists(folder, *counts):
    """Manifests of as many clips each."""
    names = [f"{folder}/{count}_{place}.jsonl" for place, count in enumerate(counts)]
    for name, count in zip(names, counts, strict=True):
        write_manifest(name, [Clip(f"clip{k}", str(CLIP), "bin blue") for k in range(count)])
    return names


def settings(folder):
    return json.loads((folder / "config.json").read_text())


def test_both_models_keep_what_was_fitted_and_all_else_of_their_own(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate, "_read", read)
    for name in ("held_out", "all"):
        shutil.copytree(tiny_model, tmp_path / name)
    own = settings(tmp_path / "all") | {"name": "all"}
    (tmp_path / "all" / "config.json").write_text(json.dumps(own))
    line = ["calibrate", "--model", str(tmp_path / "held_out"), "--also", str(tmp_path / "all"), "--device", "cpu"]
    inside, outside = lists(tmp_path, 12, 12)
    assert main([*line, "--inside", inside, "--outside", outside]) == 0
    first, second = settings(tmp_path / "held_out"), settings(tmp_path / "all")
    assert first["confidence"] == second["confidence"] and first["domain"] == second["domain"]
    assert {key: second[key] for key in own if key not in ("confidence", "domain")} == {
        key: own[key] for key in own if key not in ("confidence", "domain")
    }


def test_a_second_model_that_is_none_is_refused_before_anything_is_read(tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibrate, "_read", lambda *given: 1 / 0)
    shutil.copytree(tiny_model, tmp_path / "one")
    line = ["calibrate", "--model", str(tmp_path / "one"), "--also", str(tmp_path / "none"), "--device", "cpu"]
    assert main([*line, "--inside", "a.jsonl", "--outside", "b.jsonl"]) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_too_few_clips_are_refused_before_anything_is_read(tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibrate, "_read", lambda *given: 1 / 0)
    shutil.copytree(tiny_model, tmp_path / "one")
    for counts, side in (((2, 30), "inside"), ((30, 3), "outside")):
        inside, outside = lists(tmp_path, *counts)
        assert main(["calibrate", "--model", str(tmp_path / "one"), "--inside", inside, "--outside", outside]) == 1
        assert f"readings {side}; each side needs 10 or more" in capsys.readouterr().err


def test_of_the_shorter_list_they_are_counted_before_the_other_is_read(tiny_model, tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(calibrate, "_read", lambda loaded, clips, inside: seen.append(inside) or clips[:9])
    shutil.copytree(tiny_model, tmp_path / "one")
    inside, outside = lists(tmp_path, 30, 12)
    assert main(["calibrate", "--model", str(tmp_path / "one"), "--inside", inside, "--outside", outside]) == 1
    assert seen == [False] and "9 readings outside" in capsys.readouterr().err
