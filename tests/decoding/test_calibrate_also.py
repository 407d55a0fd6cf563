"""What is calibrated with one model is stored in a second one (`--also`), which was trained on the same people."""

import json
import shutil
from pathlib import Path

import numpy as np

from vsr.cli import main
from vsr.cli.commands import calibrate
from vsr.data.manifest import Clip, write_manifest
from vsr.inference.calibration import AssessedWindow

CLIP = Path(__file__).parents[2] / "demo" / "clip.mp4"


def assess(loaded, clips, inside):
    """Instead of reading videos: certain and right inside the domain, uncertain and wrong outside."""
    rng = np.random.default_rng(0)
    rows = np.array([4.0, -0.1, 0.1, 1.0]) * (1.0 if inside else -0.3) + rng.normal(size=(30, 4)) * 0.1
    return [AssessedWindow(f"clip{k % 3}", row, (0.9, 0.8), (inside, inside)) for k, row in enumerate(rows)]


def lists(folder, *counts):
    """Manifests with these numbers of clips."""
    names = [f"{folder}/{count}_{index}.jsonl" for index, count in enumerate(counts)]
    for name, count in zip(names, counts, strict=True):
        write_manifest(name, [Clip(f"clip{k}", str(CLIP), "bin blue") for k in range(count)])
    return names


def settings(folder):
    return json.loads((folder / "config.json").read_text())


def test_both_models_get_the_calibration_and_keep_their_other_settings(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate, "_read", assess)
    for name in ("held_out", "all"):
        shutil.copytree(tiny_model, tmp_path / name)
    config = settings(tmp_path / "all") | {"name": "all"}
    (tmp_path / "all" / "config.json").write_text(json.dumps(config))
    command = ["calibrate", "--model", str(tmp_path / "held_out"), "--also", str(tmp_path / "all"), "--device", "cpu"]
    inside, outside = lists(tmp_path, 12, 12)
    assert main([*command, "--inside", inside, "--outside", outside]) == 0
    first, second = settings(tmp_path / "held_out"), settings(tmp_path / "all")
    assert first["confidence"] == second["confidence"] and first["domain"] == second["domain"]
    assert {key: second[key] for key in config if key not in ("confidence", "domain")} == {
        key: config[key] for key in config if key not in ("confidence", "domain")
    }


def test_second_model_that_is_none_is_refused_before_reading(tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibrate, "_read", lambda *arguments: 1 / 0)
    shutil.copytree(tiny_model, tmp_path / "one")
    command = ["calibrate", "--model", str(tmp_path / "one"), "--also", str(tmp_path / "none"), "--device", "cpu"]
    assert main([*command, "--inside", "a.jsonl", "--outside", "b.jsonl"]) == 1
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_too_few_clips_are_refused_before_reading(tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibrate, "_read", lambda *arguments: 1 / 0)
    shutil.copytree(tiny_model, tmp_path / "one")
    for counts, side in (((2, 30), "inside"), ((30, 3), "outside")):
        inside, outside = lists(tmp_path, *counts)
        assert main(["calibrate", "--model", str(tmp_path / "one"), "--inside", inside, "--outside", outside]) == 1
        assert f"readings {side}; each side needs 10 or more" in capsys.readouterr().err


def test_too_few_readings_of_the_shorter_list_stop_before_the_other_is_read(tiny_model, tmp_path, monkeypatch, capsys):
    sides = []
    monkeypatch.setattr(calibrate, "_read", lambda loaded, clips, inside: sides.append(inside) or clips[:9])
    shutil.copytree(tiny_model, tmp_path / "one")
    inside, outside = lists(tmp_path, 30, 12)
    assert main(["calibrate", "--model", str(tmp_path / "one"), "--inside", inside, "--outside", outside]) == 1
    assert sides == [False] and "9 readings outside" in capsys.readouterr().err
