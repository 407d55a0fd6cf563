"""The search settings stored with a model are used by transcribe, inspect, live and the page alike."""

import json
import shutil

import pytest

from vsr.cli import main
from vsr.decoding.defaults import options_for, options_in
from vsr.inference.live.session import live_options
from vsr.inference.reader import load_model
from vsr.report.collect import inspect_video


@pytest.fixture
def model_with_defaults(tiny_model, tmp_path):
    """The tiny model with stored search settings."""
    folder = shutil.copytree(tiny_model, tmp_path / "own")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["decode"] = {"beam": 7, "ctc_weight": 0.4, "length_bonus": 0.5}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def settings_of(options):
    return options.beam, options.ctc_weight, options.length_bonus


def test_live_uses_the_models_settings_and_else_a_narrow_beam(model_with_defaults, tiny_model):
    loaded, without_settings = load_model(model_with_defaults), load_model(tiny_model)
    assert settings_of(live_options(loaded)) == (7, 0.4, 0.5) and settings_of(live_options(loaded, {"beam": 2})) == (
        2,
        0.4,
        0.5,
    )
    assert live_options(without_settings).beam == 4 and live_options(without_settings, {"beam": 9}).beam == 9


def test_inspect_and_the_page_use_the_models_settings(model_with_defaults, face_clip, tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr("vsr.report.collect.facts_of", lambda loaded, clip, options: used.append(options) or {})
    inspect_video(load_model(model_with_defaults), face_clip)  # as the page does
    for arguments in ([], ["--beam", "6"]):
        command = [
            "inspect",
            str(face_clip),
            "-o",
            str(tmp_path / "x.html"),
            "--model",
            str(model_with_defaults),
            *arguments,
        ]
        monkeypatch.setattr("vsr.report.page.render_page", lambda inspection: "")
        assert main(command) == 0
    assert [settings_of(options) for options in used] == [(7, 0.4, 0.5), (7, 0.4, 0.5), (6, 0.4, 0.5)]
    assert all(options.nbest == 5 for options in used)


def test_impossible_beam_is_refused_before_a_model_is_loaded(face_clip, tmp_path, capsys):
    for command in (["inspect", str(face_clip), "-o", str(tmp_path / "x.html")], ["live", str(face_clip)]):
        assert main([*command, "--model", "no such", "--beam", "0"]) == 2
        assert "beam 0" in capsys.readouterr().err


def test_decoder_only_search_is_kept_until_joint_options_are_given(model_with_defaults):
    config = json.loads((model_with_defaults / "config.json").read_text(encoding="utf-8"))
    config["decode"] = {"beam": 7, "method": "attention"}
    (model_with_defaults / "config.json").write_text(json.dumps(config), encoding="utf-8")
    loaded = load_model(model_with_defaults)
    joining = ({"hotwords": "x"}, {"ctc_weight": 0.3}, {"ngram": "x"})
    kept = (({}, "attention"), ({"lm": "none"}, "attention"), ({"method": "ctc_beam"}, "ctc_beam"))
    for settings, method in (*kept, *((option, "joint") for option in joining)):
        assert options_for(loaded, settings) == options_in(loaded.folder, loaded.config, settings)
        assert options_for(loaded, settings).method == method
