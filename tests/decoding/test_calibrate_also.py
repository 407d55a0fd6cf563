"""What is fitted to one model is kept by another, too, which was trained on the people of the lists."""

import json
import shutil

import numpy as np

from vsr.cli import main
from vsr.cli.commands import calibrate
from vsr.inference.calibration import Assessed


def read(loaded, manifests, inside):
    """In the place of reading videos: sure and right inside, unsure and wrong outside."""
    dice = np.random.default_rng(0)
    rows = np.array([4.0, -0.1, 0.1, 1.0]) * (1.0 if inside else -0.3) + dice.normal(size=(30, 4)) * 0.1
    return [Assessed(f"clip{k % 3}", row, (0.9, 0.8), (inside, inside)) for k, row in enumerate(rows)]


def settings(folder):
    return json.loads((folder / "config.json").read_text())


def test_both_models_keep_what_was_fitted_and_all_else_of_their_own(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate, "_read", read)
    for name in ("held_out", "all"):
        shutil.copytree(tiny_model, tmp_path / name)
    own = settings(tmp_path / "all") | {"name": "all"}
    (tmp_path / "all" / "config.json").write_text(json.dumps(own))
    line = ["calibrate", "--model", str(tmp_path / "held_out"), "--also", str(tmp_path / "all"), "--device", "cpu"]
    assert main([*line, "--inside", "a.jsonl", "--outside", "b.jsonl"]) == 0
    first, second = settings(tmp_path / "held_out"), settings(tmp_path / "all")
    assert first["confidence"] == second["confidence"] and first["domain"] == second["domain"]
    assert {key: second[key] for key in own if key not in ("confidence", "domain")} == {
        key: own[key] for key in own if key not in ("confidence", "domain")
    }


def test_a_second_model_that_is_none_is_refused_before_anything_is_read(tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibrate, "_read", lambda *given: 1 / 0)
    shutil.copytree(tiny_model, tmp_path / "one")
    line = ["calibrate", "--model", str(tmp_path / "one"), "--also", str(tmp_path / "none"), "--device", "cpu"]
    assert main([*line, "--inside", "a.jsonl", "--outside", "b.jsonl"]) != 0
    assert str(tmp_path / "none") in capsys.readouterr().err
