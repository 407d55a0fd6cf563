"""A tiny run on synthetic crops: it learns, resumes exactly, and refuses what would make its figures meaningless."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.core.interrupts import Interrupts
from vsr.data.manifest import Clip, read_manifests, write_manifest
from vsr.modelstore.folder import load_model
from vsr.text.tokenizer import CharTokenizer
from vsr.training.averaging import average_epochs
from vsr.training.config import dump_config, load_config
from vsr.training.epochs import epochs_of, figure_of
from vsr.training.lipreader import LipReaderRun as Run
from vsr.training.typed_yaml import build

pytestmark = pytest.mark.slow

TINY = {
    "frontend_width": 8, "frontend_layers": 1, "frontend_heads": 2, "dim": 16, "heads": 2, "hidden": 24, "layers": 1,
    "kernel": 5, "decoder_layers": 1, "decoder_hidden": 24,
}  # fmt: skip


def make_clip(folder, name, text, seed):
    """A crop whose brightness shows the letters."""
    rng = np.random.default_rng(seed)
    words = [(word, 0.2 * k, 0.2 * (k + 1)) for k, word in enumerate(text.split())]
    crop = rng.integers(0, 40, (5 * len(words) + int(rng.integers(1, 4)), 96, 96)).astype(np.uint8)
    for k, word in enumerate(text.split()):
        crop[5 * k : 5 * k + 5, 20:70, 20 : 20 + 25 * (ord(word[0]) - ord("a") + 1)] += 100
    np.save(folder / f"{name}.npy", crop)
    return Clip(name, f"{name}.mp4", text, "s", len(crop), str(folder / f"{name}.npy"), tuple(words))


@pytest.fixture
def config(tmp_path):
    clips = [make_clip(tmp_path, f"c{i}", "ab"[i % 2] + " " + "ab"[i // 2 % 2], i) for i in range(12)]
    write_manifest(tmp_path / "train.jsonl", clips[:8])
    write_manifest(tmp_path / "dev.jsonl", clips[8:10])
    write_manifest(tmp_path / "test.jsonl", clips[10:])
    (tmp_path / "tokens").mkdir()
    CharTokenizer("ab ").save(tmp_path / "tokens")
    settings = {
        "data": {
            "train": [str(tmp_path / "train.jsonl")],
            "dev": [str(tmp_path / "dev.jsonl")],
            "tests": [str(tmp_path / "test.jsonl")],
            "tokenizer": str(tmp_path / "tokens"),
            "frames_per_batch": 40,
        },
        "model": TINY,
        "optim": {"lr": 3e-3, "warmup_steps": 2},
        "trainer": {"max_epochs": 3, "precision": "32-true", "accelerator": "cpu", "threads": 1},
    }
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(build_config(settings)), encoding="utf-8")
    return load_config(path)


def build_config(settings):
    from vsr.training.config import TrainConfig

    return build(TrainConfig, settings)


class Killed(BaseException):
    """Stands for kill -9: nothing of the run continues."""


def losses_of(config, folder, resume=False, kill_at=None):
    """Losses of each step; with ``kill_at`` the run saves after that step, makes one more and dies."""
    run, losses_seen = Run(config, folder, resume), []
    step = run._step

    def step_or_die(indices):
        if len(losses_seen) == kill_at:
            run._save()
        if kill_at is not None and len(losses_seen) == kill_at + 1:
            raise Killed
        losses = step(indices)
        losses_seen.append(losses["loss"])
        return losses

    run._step = step_or_die
    with suppress(Killed):
        run.fit()
    return losses_seen


def epochs_in(text):
    """The lines of epochs in what a run printed, without the minutes."""
    return [line.partition(" min ")[2] for line in text.splitlines() if line.startswith("epoch")]


@pytest.mark.parametrize("kill_at", [1, 5])
def test_killed_run_resumes_with_the_same_losses(config, tmp_path, kill_at, capsys):
    """And with the same figures of each epoch, also of the one in which it was killed."""
    whole = losses_of(config, tmp_path / "whole")
    printed = epochs_in(capsys.readouterr().out)
    losses_of(config, tmp_path / "killed", kill_at=kill_at)
    before = epochs_in(capsys.readouterr().out)
    rest = losses_of(config, tmp_path / "killed", resume=True)
    assert rest == pytest.approx(whole[kill_at:], rel=1e-6)
    assert before + epochs_in(capsys.readouterr().out) == printed and len(printed) == 3


def train_in_a_process(tmp_path, out, *options, kill=False):
    """`vsr train`; with ``kill`` it is killed by signal 9 once its first checkpoint is written."""
    command = [sys.executable, "-m", "vsr.cli", "train", "--config", str(tmp_path / "config.yaml"), "--out", str(out)]
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while kill and process.poll() is None:
        if (out / "last.pt").exists():
            process.kill()
        time.sleep(0.005)
    return process.wait()


def test_run_killed_by_signal_9_ends_with_the_same_weights(config, tmp_path):
    options = ("--set", "trainer.checkpoint_minutes=0.0")
    assert main(["train", "--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "whole"), *options]) == 0
    assert train_in_a_process(tmp_path, tmp_path / "killed", *options, kill=True) == -9
    assert not (tmp_path / "killed" / "model").exists()
    assert train_in_a_process(tmp_path, tmp_path / "killed", *options, "--resume") == 0
    weights = [load_file(tmp_path / name / "model" / "model.safetensors") for name in ("whole", "killed")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def weights_of(run):
    return load_file(run / "model" / "model.safetensors")


def test_run_that_is_asked_to_end_saves_the_step_and_goes_on_with_the_same_weights(
    config, tmp_path, monkeypatch, capsys
):
    command = ["train", "--config", str(tmp_path / "config.yaml"), "--out"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    step = Run._step

    def asked_in_the_fourth(run, clips):
        losses = step(run, clips) if run.progress.step != 3 else None
        if losses is None:
            Interrupts.current._on_signal(signal.SIGTERM, None)  # the signal itself could end the process of the tests
            losses = step(run, clips)
        return losses

    monkeypatch.setattr(Interrupts, "_remind", lambda *signals: None)
    monkeypatch.setattr(Run, "_step", asked_in_the_fourth)
    capsys.readouterr()
    assert main([*command, str(tmp_path / "ended")]) == 143
    printed = capsys.readouterr()
    assert "saved after step 4: --resume continues" in printed.out and printed.err == "vsr: ended by SIGTERM\n"
    assert torch.load(tmp_path / "ended" / "last.pt", weights_only=True)["progress"]["step"] == 4
    monkeypatch.setattr(Run, "_step", step)
    assert main([*command, str(tmp_path / "ended"), "--resume"]) == 0
    whole, ended = weights_of(tmp_path / "whole"), weights_of(tmp_path / "ended")
    assert all(torch.equal(whole[key], ended[key]) for key in whole)


def test_run_saves_though_the_signal_reaches_its_workers_too(config, tmp_path):
    """As from SLURM, which sends it to all processes of a step."""
    command = [sys.executable, "-m", "vsr.cli", "train", "--config", str(tmp_path / "config.yaml"), "--out"]
    settings = ["--set", "trainer.max_epochs=100000", "trainer.workers=1", "trainer.checkpoint_minutes=100"]
    out = tmp_path / "run"
    process = subprocess.Popen([*command, str(out), *settings], stderr=subprocess.PIPE, start_new_session=True)
    try:
        steps = out / "log" / "steps.tsv"
        while process.poll() is None and (not steps.exists() or steps.read_text().count("\n") < 2):
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(60) == 143 and process.stderr.read().endswith(b"vsr: ended by SIGTERM\n")
    finally:
        process.kill()
    done = torch.load(out / "last.pt", weights_only=True)["progress"]["step"]
    assert done == int(steps.read_text().splitlines()[-1].split("\t")[0])


def test_training_lowers_the_loss_and_exports_a_model(config, tmp_path):
    losses = losses_of(config, tmp_path / "run")
    assert losses[-1] < losses[0]
    loaded = load_model(tmp_path / "run" / "model")
    assert loaded.config["training"]["epochs"] == 3
    average_epochs(tmp_path / "run", 2, tmp_path / "average")
    assert load_model(tmp_path / "average").config["averaged"] == ["0002", "0003"]


def test_refuses_dev_clips_among_test_clips(config, tmp_path):
    from dataclasses import replace

    overlapping = replace(config, data=replace(config.data, tests=config.data.dev))
    with pytest.raises(VsrError, match="dev and test lists share"):
        Run(overlapping, tmp_path / "run")


def test_refuses_to_overwrite_a_finished_run(config, tmp_path):
    losses_of(config, tmp_path / "run")
    with pytest.raises(VsrError, match="--resume"):
        Run(config, tmp_path / "run")


def test_unknown_or_useless_settings_are_named(config, tmp_path):
    with pytest.raises(VsrError, match="optim.learning_rate|lr"):
        data = {"train": ["a"], "dev": ["b"], "tokenizer": "c"}
        build_config({"data": data, "optim": {"learning_rate": 1.0}})
    with pytest.raises(VsrError, match="frontend_width"):
        load_config(tmp_path / "config.yaml", ["model.frontend_wdith=3"]).model_config(5)
    with pytest.raises(VsrError, match="no head to train"):
        settings = [f"model.{name}=0" for name in ("ctc_weight", "alignment_weight", "decoder_layers")]
        load_config(tmp_path / "config.yaml", settings).model_config(5)
    with pytest.raises(VsrError, match="the decoder would learn nothing"):
        load_config(tmp_path / "config.yaml", ["model.ctc_weight=1.0"]).model_config(5)
    with pytest.raises(VsrError, match="expected int"):
        load_config(tmp_path / "config.yaml", ["seed=many"])


@pytest.mark.parametrize("number", ["5e-4", "5E-4", ".5e-3", "0.0005", "5.0e-4"])
def test_numbers_are_read_in_any_notation(config, tmp_path, number):
    settings = [f"optim.lr={number}", f"model.dropout={number}"]
    loaded = load_config(tmp_path / "config.yaml", settings)
    assert loaded.optim.lr == loaded.model_config(5).dropout == 5e-4


def test_refuses_impossible_configuration(tmp_path):
    path = tmp_path / "config.yaml"
    for text, problem in (("", "lacks 'data'"), ("[1, 2]", "expected settings"), ("data: {train: a}", "'data.dev'")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(VsrError, match=problem):
            load_config(path, ["data.tokenizer=c"] if text.startswith("[") else [])


def test_refuses_settings_that_would_divide_by_zero(config, tmp_path):
    path = tmp_path / "config.yaml"
    for override in ("trainer.max_epochs=0", "data.augmentation.speed=1.0", "data.dev=[]"):
        with pytest.raises(VsrError):
            load_config(path, [override])


def test_broken_checkpoint_is_named(config, tmp_path):
    losses_of(config, tmp_path / "run")
    (tmp_path / "run" / "last.pt").write_bytes(b"")
    with pytest.raises(VsrError, match="cannot resume"):
        Run(config, tmp_path / "run", resume=True)


def test_run_starts_from_trained_weights_and_reports_new_tensors(config, tmp_path, capsys):
    losses_of(config, tmp_path / "run")
    source = load_model(tmp_path / "run" / "model").model.state_dict()
    starting = changed(config, "trainer", init_from=str(tmp_path / "run" / "model"))
    capsys.readouterr()
    started = Run(starting, tmp_path / "same").model.state_dict()
    assert all((started[name] == source[name]).all() for name in source)
    assert f"{len(source)} of {len(source)} tensors taken\n" in capsys.readouterr().out
    CharTokenizer("abc ").save(tmp_path / "tokens")
    other = Run(starting, tmp_path / "vocabulary").model.state_dict()
    assert "tensors taken; new in ctc, alignment, decoder" in capsys.readouterr().out
    assert other["ctc.weight"].shape[0] == 7
    assert all((other[name] == source[name]).all() for name in source if name.startswith(("frontend.", "encoder.")))


def changed(config, part, **settings):
    from dataclasses import replace

    return replace(config, **{part: replace(getattr(config, part), **settings)})


def test_checkpoints_that_do_not_fit_are_named_and_leave_nothing(config, tmp_path):
    losses_of(config, tmp_path / "run")
    starting = changed(config, "trainer", init_from=str(tmp_path / "run" / "model"))
    from dataclasses import replace

    wider = replace(starting, model=starting.model | {"dim": 24})
    with pytest.raises(VsrError, match=r"of other sizes: frontend\.\S+ is \(16, .*\) there and \(24, .*\) here"):
        Run(wider, tmp_path / "wider")
    with pytest.raises(VsrError, match="nowhere: no such model folder"):
        Run(changed(config, "trainer", init_from=str(tmp_path / "nowhere")), tmp_path / "unknown")
    CharTokenizer("abc ").save(tmp_path / "tokens")
    with pytest.raises(VsrError, match="cannot resume from .*last.pt: size mismatch for ctc.weight") as caught:
        Run(config, tmp_path / "run", resume=True)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "wider").exists() and not (tmp_path / "unknown").exists()


def test_clips_longer_than_max_frames_are_left_out_and_reported(config, tmp_path, capsys):
    from dataclasses import replace

    frames = sorted(clip.num_frames for clip in read_manifests(config.data.train))
    limit = frames[0]
    assert limit < frames[-1]
    run = Run(replace(config, data=replace(config.data, max_frames=limit)), tmp_path / "short")
    kept = sum(length <= limit for length in frames)
    assert len(run.train) == kept and f"{kept} of 8 clips have at most {limit} frames" in capsys.readouterr().out
    assert len(Run(config, tmp_path / "all").train) == 8
    with pytest.raises(VsrError, match="not one training clip has at most 3 frames"):
        Run(replace(config, data=replace(config.data, max_frames=3)), tmp_path / "none")


@pytest.fixture
def scaled(monkeypatch):
    """16-mixed as on a GPU, where the loss is scaled, with a scale that is too large at first."""
    from lightning_fabric.plugins.precision.amp import MixedPrecision

    from vsr.training.fabric import Fabric

    def opened(trainer, entries=()):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20)
        return Fabric(accelerator="cpu", devices=1, plugins=[MixedPrecision("16-mixed", "cpu", scaler)])

    monkeypatch.setattr("vsr.training.loop.open_fabric", opened)


def test_scaled_gradients_lower_the_loss_and_the_scale_is_resumed(config, scaled, tmp_path, capsys):
    whole = losses_of(config, tmp_path / "whole")
    printed = capsys.readouterr().out
    assert "4 of 4 steps skipped: no finite gradient" in printed and whole[-1] < whole[0]
    losses_of(config, tmp_path / "killed", kill_at=5)
    stored = torch.load(tmp_path / "killed" / "last.pt", weights_only=True)["scaler"]["scale"]
    assert 1 < stored < 2.0**17
    assert losses_of(config, tmp_path / "killed", resume=True) == pytest.approx(whole[5:], rel=1e-6)


def test_mixed_precision_is_applied_in_one_process(config, tmp_path):
    from dataclasses import replace

    for precision, expected in (("bf16-mixed", "bfloat16"), ("auto", "float32")):
        run = Run(replace(config, trainer=replace(config.trainer, precision=precision)), tmp_path / precision)
        types = []
        run.model.ctc.register_forward_hook(lambda module, given, out, types=types: types.append(str(out.dtype)))
        losses = run._epoch()
        assert set(types) == {f"torch.{expected}"} and np.isfinite(losses["loss"])


def test_epochs_have_the_figures_that_were_printed(config, tmp_path, capsys):
    """And epochs of an earlier run in the folder, whose last.pt was removed to begin again, are not of this one; files
    that killed writes left are removed, of which a large model would soon fill the disk."""
    stale = tmp_path / "run" / "epochs" / "0009.safetensors"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"of an earlier run")
    left = [tmp_path / "run" / ".last.0123abcd.pt", stale.with_name(".0003.0123abcd.safetensors")]
    for file in left:
        file.write_bytes(b"of a write that was killed")
    losses_of(config, tmp_path / "run")
    assert not any(file.exists() for file in left)
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    kept = epochs_of(tmp_path / "run" / "epochs")
    assert [file.stem for file in kept] == ["0001", "0002", "0003"]
    assert all(line.endswith(str(figure_of(file))) for line, file in zip(printed, kept, strict=True))
