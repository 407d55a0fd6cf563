"""Averages of epochs and of models, and the description of their training."""

from dataclasses import asdict, replace

import pytest

from vsr.cli import main
from vsr.core.files import read_json, write_json
from vsr.evaluation.card import training_facts
from vsr.evaluation.results import collect
from vsr.evaluation.results_page import render, training_line
from vsr.modelstore.folder import load_model, save_model
from vsr.training.averaging import average_models

SCORE = {
    "scored": 1, "skipped": 0, "words": 6, "substitutions": 1, "deletions": 0, "insertions": 0, "wer": 1 / 6,
    "wer_low": 0.0, "wer_high": 0.5, "cer": 0.1, "normaliser": "lower",
}  # fmt: skip


@pytest.fixture
def make_model(tiny_model, tmp_path):
    """Saves the tiny model with a number of training steps and further settings."""

    def save(name, steps, **extra):
        loaded = load_model(tiny_model)
        extra = {"name": name, "training": {"steps": steps, "seed": 0}} | extra
        return save_model(tmp_path / name, loaded.model, loaded.tokenizer, extra)

    return save


def test_results_page_describes_every_run_of_an_average(make_model, tmp_path):
    runs = [make_model("first", 10, averaged=["0004", "0005"]), make_model("second", 7)]
    config = read_json(average_models(runs, tmp_path / "exp" / "model") / "config.json")
    line = (
        "the mean of the weights of 2 runs: (1) steps 10, seed 0; the mean of the weights after epochs 0004, 0005; "
        "(2) steps 7, seed 0"
    )
    assert training_line(config) == line and training_facts(config) == {"weights": line}
    (tmp_path / "exp" / "result").mkdir()
    write_json(tmp_path / "exp" / "result" / "test.json", SCORE)
    page = render(collect(tmp_path / "exp", "run.sh", "test: of which it is told."))
    assert "|\n\ntest: of which it is told.\n\nCommand" in page
    assert f"Training: {line}\n" in page and page.count("steps") == 2


def test_average_of_averages_describes_every_run(make_model, tmp_path):
    inner = average_models([make_model("first", 10), make_model("second", 7)], tmp_path / "inner" / "model")
    config = read_json(average_models([inner, make_model("third", 3)], tmp_path / "outer" / "model") / "config.json")
    assert all(f"steps {steps}, seed 0" in training_line(config) for steps in (10, 7, 3))


def test_models_are_averaged_if_a_size_is_given_or_implied(make_model, tmp_path):
    """Decoder heads: in old folders 0 for as many as the encoder has, in new ones their number."""
    first, second = make_model("first", 10), make_model("second", 7)
    config = read_json(second / "config.json")
    flat = asdict(replace(load_model(second).model.config, decoder_heads=0))
    write_json(second / "config.json", config | {"format": 1, "model": flat})
    assert average_models([first, second], tmp_path / "mean" / "model").is_dir()


def test_single_run_is_described_plainly(make_model):
    config = read_json(make_model("first", 10) / "config.json")
    assert training_line(config) == "steps 10, seed 0" and training_facts(config) == {"steps": 10, "seed": 0}
    assert training_line({}) == ""


def test_one_model_is_nothing_to_average(make_model, tmp_path, capsys):
    assert main(["average", "--models", str(make_model("alone", 3)), "--out", str(tmp_path / "mean")]) == 2
    assert "nothing to average" in capsys.readouterr().err and not (tmp_path / "mean").exists()
