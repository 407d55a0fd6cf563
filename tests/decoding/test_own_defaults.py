"""A model's own settings of the search are those of transcribe, inspect, live and the page alike."""

import json
import shutil

import pytest

from vsr.cli import main
from vsr.decoding.defaults import options_for, options_in
from vsr.inference.live.session import live_options
from vsr.inference.reader import load_model
from vsr.report.collect import inspect_video


@pytest.fixture
def published(tiny_model, tmp_path):
    """The tiny model with a search of its own."""
    folder = shutil.copytree(tiny_model, tmp_path / "own")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["decode"] = {"beam": 7, "ctc_weight": 0.4, "length_bonus": 0.5}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def chosen(options):
    return options.beam, options.ctc_weight, options.length_bonus


def test_live_searches_as_the_model_says_and_narrowly_where_it_says_nothing(published, tiny_model):
    loaded, plain = load_model(published), load_model(tiny_model)
    assert chosen(live_options(loaded)) == (7, 0.4, 0.5) and chosen(live_options(loaded, {"beam": 2})) == (2, 0.4, 0.5)
    assert live_options(plain).beam == 4 and live_options(plain, {"beam": 9}).beam == 9


def test_inspect_and_the_page_search_as_the_model_says(published, face_clip, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr("vsr.report.collect.facts_of", lambda loaded, clip, options: seen.append(options) or {})
    inspect_video(load_model(published), face_clip)  # as the page does
    for words in ([], ["--beam", "6"]):
        parser_args = ["inspect", str(face_clip), "-o", str(tmp_path / "x.html"), "--model", str(published), *words]
        monkeypatch.setattr("vsr.report.page.render_page", lambda inspection: "")
        assert main(parser_args) == 0
    assert [chosen(options) for options in seen] == [(7, 0.4, 0.5), (7, 0.4, 0.5), (6, 0.4, 0.5)]
    assert all(options.nbest == 5 for options in seen)


def test_a_width_that_is_none_is_told_before_a_model_is_loaded(face_clip, tmp_path, capsys):
    for words in (["inspect", str(face_clip), "-o", str(tmp_path / "x.html")], ["live", str(face_clip)]):
        assert main([*words, "--model", "no such", "--beam", "0"]) == 2
        assert "beam 0" in capsys.readouterr().err


def test_a_search_by_the_decoder_alone_is_the_models_own_until_more_is_asked(published):
    config = json.loads((published / "config.json").read_text(encoding="utf-8"))
    config["decode"] = {"beam": 7, "method": "attention"}
    (published / "config.json").write_text(json.dumps(config), encoding="utf-8")
    loaded = load_model(published)
    joining = ({"hotwords": "x"}, {"ctc_weight": 0.3}, {"ngram": "x"})
    kept = (({}, "attention"), ({"lm": "none"}, "attention"), ({"method": "ctc_beam"}, "ctc_beam"))
    for given, method in (*kept, *((own, "joint") for own in joining)):
        assert options_for(loaded, given) == options_in(loaded.folder, loaded.config, given)
        assert options_for(loaded, given).method == method
