"""Training a restorer: the command, killed runs, hypotheses of several readers, and errors in prompts."""

import json
import shutil

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from tests.tiny_llm import SIZES as LLAMA
from tests.training.test_machines import torchrun_environment
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.decoding.restorer import RestorerSettings
from vsr.decoding.restorer_folder import load_restorer
from vsr.training import restoring
from vsr.training.config import load_config
from vsr.training.restoring_config import RestorerTrainConfig, RestorerTrainerConfig


def config_of(tmp_path, backbone, text="", **noise):
    """The path of a configuration of a short run."""
    lines = ["blue bin", "red bin", "read blue", "bin"]
    (tmp_path / "texts.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "dev.txt").write_text("blue red\n")
    (tmp_path / "words.txt").write_text("bin B IH N\nblue B L UW\nred R EH D\nread R EH D\n")
    input_settings = f"input: text\n  lines: {text}" if text else "input: viseme"
    path = tmp_path / "llm.yaml"
    path.write_text(
        f"llm:\n  backbone: {backbone}\n  {input_settings}\n  lora: {{rank: 2, modules: [q_proj]}}\n"
        f"data:\n  train: [{tmp_path}/texts.txt]\n  dev: [{tmp_path}/dev.txt]\n  dictionary: [{tmp_path}/words.txt]\n"
        f"  batch: 2\n  noise: {json.dumps(noise)}\ntrainer: {{max_epochs: 2, threads: 1}}\n"
    )
    return str(path)


def test_train_trains_a_restorer_and_refuses_wrong_settings(backbone, tmp_path, capsys):
    pytest.importorskip("peft")
    path, out = config_of(tmp_path, backbone), str(tmp_path / "exp")
    assert main(["train", "--config", path, "--out", out]) == 0
    output = capsys.readouterr().out
    assert "4 sentences; 0 left out" in output and "licence mit" in output and "prompts without errors" in output
    assert load_restorer(f"{out}/model").settings.input == "viseme"
    for options, message in (
        ((path, "--out", out), "holds a run already"),
        ((path, "--out", f"{out}2", "--resume"), "cannot resume from"),
        ((path, "--out", out, "--resume", "--set", "data.batch=3"), "begun with other data.batch (2, not 3)"),
        ((path, "--out", f"{out}2", "--set", "llm.input=smell"), "input is 'smell'"),
        ((path, "--dry-run"), "give llm.sizes"),
        ((path, "--out", f"{out}2", "--set", "llm.backbone=nowhere"), "nowhere is no folder"),
    ):
        assert main(["train", "--config", *options]) == 1
        assert message in capsys.readouterr().err and not (tmp_path / "exp2").exists()


def test_several_processes_are_refused_once(backbone, tmp_path, monkeypatch, capsys):
    """Each of them trained the same model, into the same folder."""
    for name, value in torchrun_environment(0, 2, 1).items():
        monkeypatch.setenv(name, str(value))
    assert main(["train", "--config", config_of(tmp_path, backbone), "--out", str(tmp_path / "exp")]) == 1
    assert "a text restorer trains in one process, but torchrun started 2" in capsys.readouterr().err
    assert not (tmp_path / "exp").exists()


def test_max_steps_sets_the_length_whatever_an_epoch_is(backbone, tmp_path):
    settings = [f"llm.sizes={json.dumps(LLAMA)}", "llm.backbone=''", "trainer.max_steps=5"]  # an epoch has two steps
    config = load_config(config_of(tmp_path, backbone), settings, RestorerTrainConfig)
    run = restoring.RestorerRun(config, tmp_path / "run")
    folder = run.fit()
    assert json.loads((folder / "restorer.json").read_text("utf-8"))["training"]["steps"] == 5
    assert run.optimiser.param_groups[0]["lr"] < config.optim.lr
    with pytest.raises(VsrError, match="max_minutes and trainer.max_steps: give one"):
        RestorerTrainerConfig(max_minutes=1, max_steps=5)


def test_steps_without_a_finite_gradient_change_nothing_and_a_lost_run_ends(backbone, tmp_path, monkeypatch):
    settings = [f"llm.sizes={json.dumps(LLAMA)}", "llm.backbone=''", "trainer.max_steps=60"]
    run = restoring.RestorerRun(
        load_config(config_of(tmp_path, backbone), settings, RestorerTrainConfig), tmp_path / "run"
    )
    before = {name: weight.clone() for name, weight in run.model.state_dict().items()}
    pair_loss = restoring.pair_loss
    monkeypatch.setattr(restoring, "pair_loss", lambda *given: pair_loss(*given) * float("nan"))
    with pytest.raises(VsrError, match="the training is lost") as caught:
        run.fit()
    assert caught.value.reason == "not_finite" and not (tmp_path / "run" / "model").exists()
    assert all(torch.equal(before[name], weight) for name, weight in run.model.state_dict().items())


@pytest.mark.parametrize("own_weights", [True, False])
def test_killed_run_resumes_to_the_bit(own_weights, backbone, tmp_path, monkeypatch):
    """With own weights, and with adapters, whose backbone is not stored."""
    path, settings = config_of(tmp_path, backbone), ["trainer.max_epochs=3", "llm.lora.dropout=0.5"]
    settings += [f"llm.sizes={json.dumps(LLAMA)}", "llm.backbone=''"] if own_weights else []
    config = load_config(path, settings, RestorerTrainConfig)
    losses, run_step = [], restoring.RestorerRun._step

    def killed_step(run, batch, share):
        if run.progress.step == 3:
            run._save()
            raise KeyboardInterrupt
        return run_step(run, batch, share)

    def noted_step(run, batch, share):
        losses.append(run_step(run, batch, share))
        return losses[-1]

    monkeypatch.setattr(restoring.RestorerRun, "_step", noted_step)
    whole = restoring.RestorerRun(config, tmp_path / "whole")
    whole.fit()
    monkeypatch.setattr(restoring.RestorerRun, "_step", killed_step)
    with pytest.raises(KeyboardInterrupt):
        restoring.RestorerRun(config, tmp_path / "killed").fit()
    stored = torch.load(tmp_path / "killed/last.pt", weights_only=True)
    assert stored["reached"]["step"] == 3 and (own_weights or all("lora_" in name for name in stored["model"]))
    before, losses[:] = list(losses), []
    monkeypatch.setattr(restoring.RestorerRun, "_step", noted_step)
    rest = restoring.RestorerRun(config, tmp_path / "killed", resume=True)
    rest.fit()
    assert losses == before[3:] and len(before) == 6
    for (name, expected), actual in zip(
        whole.model.state_dict().items(), rest.model.state_dict().values(), strict=True
    ):
        assert torch.equal(expected, actual), name
    losses.clear()
    finished = restoring.RestorerRun(config, tmp_path / "killed", resume=True)
    assert finished.fit() == tmp_path / "killed/model" and not losses, "what is at its end is written again"


def test_hypotheses_of_all_members_are_in_the_prompts(backbone, tmp_path, capsys):
    """Trained on patterns of two members, then used by vsr combine."""
    pytest.importorskip("peft")
    files = []
    for name, texts in (("a", ("blue bin", "red")), ("b", ("blue been", "red bin"))):
        files.append(str(tmp_path / f"{name}.jsonl"))
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts))
        )
    ref = tmp_path / "ref.jsonl"
    ref.write_text(
        "".join(
            json.dumps({"id": str(n), "video": "", "text": text, "speaker": ""}) + "\n"
            for n, text in enumerate(("blue bin", "red bin"))
        )
    )
    path = config_of(tmp_path, backbone, "2", hypotheses=files, references=str(ref))
    assert main(["train", "--config", path, "--out", str(tmp_path / "exp")]) == 0
    assert "errors of 2 readers by the patterns of 2 clips" in capsys.readouterr().out
    command = [
        "combine",
        *files,
        "--method",
        "llm",
        "--restorer",
        str(tmp_path / "exp/model"),
        "--out",
        str(tmp_path / "c.jsonl"),
    ]
    assert main([*command, "--fit", str(ref), "--save-weights", str(tmp_path / "w.json")]) == 0
    assert "restorer" in json.loads((tmp_path / "w.json").read_text())["weights"]
    assert len((tmp_path / "c.jsonl").read_text().splitlines()) == 2
    capsys.readouterr()
    third = str(shutil.copy(files[0], tmp_path / "third.jsonl"))
    assert main([command[0], third, *command[1:]]) == 2
    assert "reads 2 lines of text, and there are 3 files" in capsys.readouterr().err


def test_units_in_prompts_have_the_readers_errors(backbone, tmp_path):
    from collections import Counter

    from vsr.training.prompts import NoiseConfig, Prompts

    (tmp_path / "words.txt").write_text("bin B IH N\n")
    (tmp_path / "p.jsonl").write_text(json.dumps({"id": "x", "text": "B N", "unit": "phoneme"}) + "\n")
    (tmp_path / "r.jsonl").write_text(json.dumps({"id": "x", "video": "", "text": "bin", "speaker": ""}) + "\n")
    noise = NoiseConfig((str(tmp_path / "p.jsonl"),), str(tmp_path / "r.jsonl"))
    settings = RestorerSettings(backbone, input="phoneme")
    prompts = Prompts(settings, noise, (str(tmp_path / "words.txt"),), Counter())
    drawn = Counter(prompts.lines(["bin"], np.random.default_rng(seed))[0] for seed in range(100))
    assert set(drawn) == {"B IH N", "B N"} and 20 < drawn["B N"] < 80
    clean = Prompts(settings, NoiseConfig(), (str(tmp_path / "words.txt"),), Counter())
    assert clean.lines(["bin", "bin"], np.random.default_rng(0)) == ["B IH N | B IH N"]
