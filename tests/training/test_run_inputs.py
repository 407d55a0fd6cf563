"""A run resumes only with its own settings, lists, tokenizer and starting weights."""

import json
from dataclasses import replace

import pytest

from tests.training.test_loop import changed, config, losses_of  # noqa: F401  a fixture
from vsr.core.artifacts import differences
from vsr.core.errors import VsrError
from vsr.data.manifest import read_manifest, write_manifest
from vsr.text.tokenizer import CharTokenizer
from vsr.training.run_inputs import begin_run, inputs_of


def test_resume_allows_length_and_machine_settings_only(config, tmp_path):  # noqa: F811
    run = tmp_path / "run"
    assert begin_run(run, config) == "" and begin_run(run, config, resume=True) == ""
    longer = changed(config, "trainer", max_epochs=9, workers=2, threads=2, devices=1, checkpoint_minutes=0.0)
    assert begin_run(run, longer, resume=True) == "" and "max_epochs: 9" in (run / "config.yaml").read_text("utf-8")
    for other, name in (
        (changed(config, "optim", lr=1e-5), "optim.lr"),
        (changed(config, "data", frames_per_batch=41), "data.frames_per_batch"),
        (replace(config, seed=3), "seed"),
        (replace(config, model=config.model | {"dim": 24}), "model.dim"),
    ):
        with pytest.raises(VsrError, match=f"begun with other {name}.*: choose another folder"):
            begin_run(run, other, resume=True)
    CharTokenizer("ba ").save(tmp_path / "tokens")  # as many characters, in another order
    with pytest.raises(VsrError, match="data.tokenizer"):
        begin_run(run, config, resume=True)
    CharTokenizer("ab ").save(tmp_path / "tokens")
    train = tmp_path / "train.jsonl"
    write_manifest(train, [replace(clip, text="b b") for clip in read_manifest(train)])
    with pytest.raises(VsrError, match="data.train"):
        begin_run(run, config, resume=True)


def test_setting_added_later_counts_as_its_default(config, tmp_path):  # noqa: F811
    run, later = tmp_path / "run", ("optim.accumulate", "data.wrong_lips.p", "data.unlabelled")
    begin_run(run, config)
    (record,) = map(json.loads, (run / ".made.jsonl").read_text("utf-8").split("\n")[1:-1])
    for name in later:
        del record["made"][name]
    (run / ".made.jsonl").write_text(json.dumps(record) + "\n", encoding="utf-8")
    with pytest.raises(VsrError, match=r"begun with other optim.accumulate \(1, not 4\)"):
        begin_run(run, changed(config, "optim", accumulate=4), resume=True)
    assert begin_run(run, config, resume=True) == ""


def test_starting_weights_are_compared_by_content(config, tmp_path):  # noqa: F811
    losses_of(config, tmp_path / "first")
    model = tmp_path / "first" / "model"
    starting = changed(config, "trainer", init_from=str(model))
    elsewhere = changed(config, "trainer", init_from=f"{model}/../model")
    assert not differences(inputs_of(starting), inputs_of(elsewhere)), "the same folder, spelled otherwise"
    begin_run(tmp_path / "run", starting)
    with (model / "model.safetensors").open("r+b") as file:
        file.seek(-2, 2)
        file.write(b"\0\1")
    with pytest.raises(VsrError, match="trainer.init_from"):
        begin_run(tmp_path / "run", starting, resume=True)


def test_run_of_an_earlier_version_resumes_with_a_note(config, tmp_path, capsys):  # noqa: F811
    losses_of(config, tmp_path / "run", kill_at=2)
    (tmp_path / "run" / ".made.jsonl").unlink()
    capsys.readouterr()
    losses_of(config, tmp_path / "run", resume=True)
    assert "does not say what it was begun with" in capsys.readouterr().out
    with pytest.raises(VsrError, match="optim.lr"):
        losses_of(changed(config, "optim", lr=1.0), tmp_path / "run", resume=True)
