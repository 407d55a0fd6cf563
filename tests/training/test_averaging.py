"""Means of models, and what is told of how they were made."""

from dataclasses import asdict, replace

import pytest

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
def made(tiny_model, tmp_path):
    """Saves the tiny model as if it had been trained for so many steps, with further settings."""

    def save(name, steps, **extra):
        loaded = load_model(tiny_model)
        extra = {"name": name, "training": {"steps": steps, "seed": 0}} | extra
        return save_model(tmp_path / name, loaded.model, loaded.tokenizer, extra)

    return save


def test_a_page_tells_every_run_of_a_mean(made, tmp_path):
    runs = [made("first", 10, averaged=["0004", "0005"]), made("second", 7)]
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


def test_a_mean_of_means_is_told_to_the_ground(made, tmp_path):
    inner = average_models([made("first", 10), made("second", 7)], tmp_path / "inner" / "model")
    config = read_json(average_models([inner, made("third", 3)], tmp_path / "outer" / "model") / "config.json")
    assert all(f"steps {steps}, seed 0" in training_line(config) for steps in (10, 7, 3))


def test_a_size_that_is_told_and_one_that_follows_from_another_are_the_same(made, tmp_path):
    """Heads of the decoder: 0, as many as the encoder's, in old folders; their number in new ones."""
    first, second = made("first", 10), made("second", 7)
    told = read_json(second / "config.json")
    flat = asdict(replace(load_model(second).model.config, decoder_heads=0))
    write_json(second / "config.json", told | {"format": 1, "model": flat})
    assert average_models([first, second], tmp_path / "mean" / "model").is_dir()


def test_a_single_run_is_told_as_it_is(made):
    config = read_json(made("first", 10) / "config.json")
    assert training_line(config) == "steps 10, seed 0" and training_facts(config) == {"steps": 10, "seed": 0}
    assert training_line({}) == ""
