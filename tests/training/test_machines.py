"""Several processes train like one with the whole batch: same losses and weights, every clip once, one writer."""

import math
import multiprocessing
import os
import socket
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.test_loop import TINY, Killed, build_config, make_clip
from vsr.core.errors import VsrError
from vsr.data.manifest import read_manifest, write_manifest
from vsr.data.sampler import divide_among_ranks
from vsr.modelstore.folder import load_model
from vsr.objectives.step import Step
from vsr.text.tokenizer import CharTokenizer
from vsr.training.config import dump_config, load_config
from vsr.training.fabric import LightningEnvironment
from vsr.training.lipreader import LipReaderRun
from vsr.training.machines import environment, processes

pytestmark = pytest.mark.slow

# A server that has imported everything and forks: a rank starts in milliseconds.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["vsr.training.lipreader", "tests.training.test_loop", "hypothesis"])


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Seven clips in three batches: two ranks do two steps an epoch, and share the last batch."""
    folder = tmp_path_factory.mktemp("corpus")
    clips = [make_clip(folder, f"c{i}", " ".join("ab"[(i + k) % 2] for k in range(1 + i % 3)), i) for i in range(9)]
    write_manifest(folder / "train.jsonl", clips[:7])
    write_manifest(folder / "dev.jsonl", clips[7:])
    (folder / "tokens").mkdir()
    CharTokenizer("ab ").save(folder / "tokens")
    settings = {
        "data": {
            "train": [str(folder / "train.jsonl")],
            "dev": [str(folder / "dev.jsonl")],
            "tokenizer": str(folder / "tokens"),
            "frames_per_batch": 40,
        },
        "model": TINY | {"dropout": 0.0},
        "optim": {"lr": 3e-3, "warmup_steps": 2, "ema": 0.5},
        "trainer": {"max_epochs": 2, "accelerator": "cpu", "threads": 1},
    }
    (folder / "config.yaml").write_text(dump_config(build_config(settings)), encoding="utf-8")
    return load_config(folder / "config.yaml")


class Noted:
    """A run that notes the clips and the loss of each step; it saves before step ``kill_at`` and dies."""

    kill_at = None

    def fit(self):
        self.clips, self.losses_seen = [], []
        return super().fit()

    def _step(self, step):
        if self.kill_at == len(self.losses_seen):
            self._save()
            raise Killed
        losses = super()._step(step)
        self.clips.append((self.progress.epoch, sum(step, [])))
        self.losses_seen.append(losses["loss"])
        return losses


class Paired(Noted):
    """One process whose batches are those that two ranks take together."""

    def _open_data(self):
        super()._open_data()
        self.batches = self.sampler.batches
        self.sampler.batches = lambda epoch: [sum(pair, []) for pair in pairs(self.batches(epoch))]

    def share(self):
        number = len(self.batches(0))
        return (self.progress.epoch + min(2 * self.progress.batch, number) / number) / self.config.trainer.max_epochs


class Watched(Noted, LipReaderRun):
    pass


class Whole(Paired, LipReaderRun):
    pass


def changed(config, **optim):
    return replace(config, optim=replace(config.optim, **optim))


def pairs(batches):
    return [batches[i : i + 2] for i in range(0, len(batches), 2)]


def torchrun_environment(rank, world, port):
    return {
        "RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world,
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test",
    }  # fmt: skip


def slurm_environment(rank, world, port):
    """As `salloc --nodes 2 srun` of SLURM 22.05 sets it for ranks on two machines, both of which are this one."""
    return {
        "SLURM_PROCID": rank, "SLURM_LOCALID": 0, "SLURM_NODEID": rank, "SLURM_NTASKS": world, "SLURM_NNODES": world,
        "SLURM_JOB_ID": port, "SLURM_JOB_NAME": "interactive", "SLURM_NODELIST": "elsewhere[1-4]", "SLURM_STEP_ID": 2,
        "SLURM_STEP_NUM_TASKS": world, "SLURM_STEP_TASKS_PER_NODE": f"1(x{world})", "SLURM_STEP_NODELIST": "localhost",
    }  # fmt: skip


def one_rank(kind, environment, config, out, resume, kill_at, answers):
    os.environ.update({name: str(value) for name, value in environment.items()})
    try:
        run = kind(config, out, resume)
        run.kill_at = kill_at
        with suppress(Killed):
            run.fit()
        answers.put((run.fabric.global_rank, run.fabric.world_size, run.clips, run.losses_seen))
    except VsrError as error:
        answers.put((rank_in(environment), str(error), [], []))
    except SystemExit as end:
        answers.put((rank_in(environment), end.code, [], []))
    except Exception:
        answers.put((rank_in(environment), traceback.format_exc(), [], []))


def rank_in(environment):
    return environment.get("RANK", environment.get("SLURM_PROCID"))


def ranks(config, outs, environment=torchrun_environment, resume=False, kill_at=None, kind=Watched):
    """(rank, world size, clips, losses) of each of several processes, ordered by rank."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    answers = FORKS.Queue()
    configs = config if isinstance(config, list) else [config] * len(outs)
    started = [
        FORKS.Process(
            target=one_rank, args=(kind, environment(rank, len(outs), port), rank_config, out, resume, kill_at, answers)
        )
        for rank, (out, rank_config) in enumerate(zip(outs, configs, strict=True))
    ]
    for process in started:
        process.start()
    results = sorted(answers.get(timeout=500) for _ in started)
    for process in started:
        process.join(60)
    return results


def assert_same_state(first, second, parameters):
    """Check that weights are equal, except those without a gradient (a bias before a mean): Adam amplifies their
    rounding, and running means follow them.
    """
    states = [torch.load(out / "last.pt", weights_only=True) for out in (first, second)]
    ordered = [name for name, parameter in parameters if parameter.dim() > 1] + [
        name for name, parameter in parameters if parameter.dim() <= 1
    ]
    trained = {name: states[0]["optimiser"]["state"][index]["exp_avg_sq"] > 1e-11 for index, name in enumerate(ordered)}
    assert sum(parameter.any() for parameter in trained.values()) > 0.9 * len(trained)
    for part in ("model", "average"):
        assert states[0][part].keys() == states[1][part].keys()
        for name, tensor in states[0][part].items():
            if not name.endswith("running_mean"):
                compared = trained.get(name, torch.ones_like(tensor, dtype=torch.bool))
                actual = states[1][part][name][compared]
                torch.testing.assert_close(actual, tensor[compared], rtol=1e-3, atol=1e-4, msg=f"{part} {name}")


@pytest.fixture(scope="module")
def alone(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("alone")
    run = Whole(config, out)
    run.fit()
    assert [len(pair) for pair in pairs(run.batches(0))] == [2, 1]
    return out, run


@pytest.mark.parametrize(
    "strategy, environment",
    [("ddp", torchrun_environment), ("fsdp", torchrun_environment), ("auto", slurm_environment)],
)
def test_two_ranks_do_what_one_does_with_the_whole_batch(config, alone, tmp_path, strategy, environment):
    distributed = replace(config, trainer=replace(config.trainer, strategy=strategy))
    first, second = ranks(distributed, [tmp_path / "0", tmp_path / "1"], environment)
    assert (first[:2], second[:2]) == ((0, 2), (1, 2))
    assert first[3] == second[3] == pytest.approx(alone[1].losses_seen, rel=1e-4)
    for epoch in range(2):
        counts = Counter(i for rank in (first, second) for e, step in rank[2] for i in step if e == epoch)
        assert counts == Counter(range(7))
    assert_same_state(alone[0], tmp_path / "0", list(alone[1].model.named_parameters()))
    assert not (tmp_path / "1").exists()  # only rank 0 writes
    crop = torch.rand(1, 12, 1, 88, 88)
    models = [load_model(out / "model").model for out in (alone[0], tmp_path / "0")]  # stored as fp16
    torch.testing.assert_close(*(model.encode(crop, torch.tensor([12])) for model in models), rtol=0, atol=2e-2)


class Normal:
    """Batch normalisation as in evaluation: its statistics are of a single batch, whatever a step adds up."""

    def _build_model(self):
        model = super()._build_model()
        for layer in model.modules():
            if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
                layer.train = lambda mode=True, layer=layer: torch.nn.Module.train(layer, False)
        return model


class Accumulating(Normal, Watched):
    pass


class AtOnce(Normal, Whole):
    pass


def test_batches_one_after_the_other_are_a_step_as_if_they_were_one(config, tmp_path):
    """Batches of 4, 2 and 1 clips of different numbers of words; the last step of an epoch has one batch alone."""
    runs = Accumulating(changed(config, accumulate=2), tmp_path / "added"), AtOnce(config, tmp_path / "whole")
    for run in runs:
        run.fit()
    assert [len(step) for _, step in runs[0].feed.steps] == [2, 1]
    assert runs[0].losses_seen == pytest.approx(runs[1].losses_seen, rel=1e-4)
    assert_same_state(tmp_path / "whole", tmp_path / "added", list(runs[0].model.named_parameters()))


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_ranks_accumulate_as_one_does(config, tmp_path, strategy):
    """Seven clips in five batches: a step of four of them, and one of what is left."""
    small_batches = replace(config, data=replace(config.data, frames_per_batch=28))
    alone = Accumulating(changed(small_batches, accumulate=4), tmp_path / "alone")
    alone.fit()
    both = changed(replace(small_batches, trainer=replace(small_batches.trainer, strategy=strategy)), accumulate=2)
    first, second = ranks(both, [tmp_path / "0", tmp_path / "1"], kind=Accumulating)
    assert first[3] == second[3] == pytest.approx(alone.losses_seen, rel=1e-4) and len(alone.losses_seen) == 4
    assert Counter(i for rank in (first, second) for _, step in rank[2] for i in step) == Counter(2 * [*range(7)])
    assert_same_state(tmp_path / "alone", tmp_path / "0", list(alone.model.named_parameters()))


def ctc_alone(model, batch):
    return {"loss": model.ctc.loss(model.encode_batch(batch), batch)}


class CTCAlone(Watched):
    def _stepped(self):
        return Step(self.model, ctc_alone)


def test_parts_that_get_no_gradient_are_named(config, tmp_path):
    (_, message, *_), (_, status, *_) = ranks(config, [tmp_path / "out"] * 2, kind=CTCAlone)
    assert "gives none to alignment, decoder: name what it does not train in trainer.freeze" in message and status == 1
    frozen = replace(config, trainer=replace(config.trainer, freeze=("alignment", "decoder"), max_epochs=1))
    first, second = ranks(frozen, [tmp_path / "frozen"] * 2, kind=CTCAlone)
    assert first[3] == second[3] and len(first[3]) == 2


def test_ranks_with_and_without_texts_do_not_wait_for_each_other(config, tmp_path):
    """Batches of one clip: a step in which one rank has a text and the other has none."""
    clips = read_manifest(config.data.train[0])
    write_manifest(tmp_path / "spoken.jsonl", clips[::2])
    write_manifest(tmp_path / "silent.jsonl", clips[1::2])
    lists = {"train": (str(tmp_path / "spoken.jsonl"),), "unlabelled": (str(tmp_path / "silent.jsonl"),)}
    own = replace(config, data=replace(config.data, **lists, frames_per_batch=20), objective="usr")
    first, second = ranks(own, [tmp_path / "out"] * 2)
    assert first[3] == second[3] and len(first[3]) >= 6 and all(map(math.isfinite, first[3]))


def test_teacher_of_a_sharded_model_follows_every_step(config, tmp_path):
    """It was refreshed at the end of an epoch and before a checkpoint alone: other losses than with whole models."""
    clips = read_manifest(config.data.train[0])
    write_manifest(tmp_path / "spoken.jsonl", clips[:4])
    write_manifest(tmp_path / "silent.jsonl", clips[4:])
    lists = {"train": (str(tmp_path / "spoken.jsonl"),), "unlabelled": (str(tmp_path / "silent.jsonl"),)}
    settings = {"objective": "usr", "objective_settings": {"above": 0.0, "weight": 5.0}}
    own = replace(config, data=replace(config.data, **lists, frames_per_batch=28), **settings)
    losses = {}
    for strategy in ("ddp", "fsdp"):
        trainer = replace(own.trainer, strategy=strategy, max_epochs=1)
        losses[strategy] = ranks(replace(own, trainer=trainer), [tmp_path / strategy] * 2)[0][3]
    assert losses["fsdp"] == pytest.approx(losses["ddp"], rel=1e-4) and len(losses["ddp"]) >= 3


@pytest.mark.parametrize("before, after", [("fsdp", "alone"), ("alone", "fsdp"), ("fsdp", "fsdp")])
def test_killed_run_resumes_with_any_number_of_ranks(config, tmp_path, before, after):
    """Seven clips in five batches: one process has done two of them, two ranks four, when killed."""
    changed = replace(config, data=replace(config.data, frames_per_batch=28), model=TINY | {"dropout": 0.1})
    uninterrupted, out = tmp_path / "whole", tmp_path / "killed"

    def run(kind, out, **options):
        distributed = replace(
            changed, trainer=replace(changed.trainer, strategy="fsdp", workers=2 * ("kill_at" in options))
        )
        return ranks(distributed, [out] if kind == "alone" else [out, out], **options)

    started = run(before, out, kill_at=2)
    finished = run(after, out, resume=True)
    assert [rank[1] for rank in finished] == [len(finished)] * len(finished)
    first = Counter(i for rank in started + finished for epoch, step in rank[2] for i in step if epoch == 0)
    assert first == Counter(range(7))
    assert all(math.isfinite(loss) for loss in finished[0][3])
    if before == after:
        expected = run(before, uninterrupted)[0][3]
        assert started[0][3] + finished[0][3] == pytest.approx(expected, rel=1e-5)
    load_model(out / "model")


def test_failure_of_one_rank_ends_all_and_is_reported_once(config, tmp_path):
    broken = replace(config, data=replace(config.data, tokenizer=str(tmp_path / "missing")))
    (rank, message, *_), (other, status, *_) = ranks([config, broken], [tmp_path / "out"] * 2)
    assert (rank, other) == (0, 1)
    assert message.startswith("rank 1: ") and "missing" in message and status == 1
    assert not (tmp_path / "out").exists()


def test_number_of_processes_is_taken_from_the_environment(config, monkeypatch):
    trainer = config.trainer

    def set_environment(environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))

    assert processes(replace(trainer, devices=3, num_nodes=2)) == (3, 2)
    set_environment(slurm_environment(0, 16, 1) | {"SLURM_STEP_TASKS_PER_NODE": "4(x4)"})
    assert processes(trainer) == (4, 4) == processes(replace(trainer, devices=4))
    with pytest.raises(VsrError, match="trainer.devices is 2, but SLURM started the run with 4"):
        processes(replace(trainer, devices=2))
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", "5(x3),1")
    with pytest.raises(VsrError, match=r"SLURM started 5\(x3\),1 processes, not the same number"):
        processes(trainer)
    set_environment(torchrun_environment(0, 16, 1) | {"LOCAL_WORLD_SIZE": 8})
    assert processes(trainer) == (8, 2)  # torchrun inside a SLURM job
    with pytest.raises(VsrError, match="trainer.num_nodes is 4, but torchrun started the run with 2"):
        processes(replace(trainer, num_nodes=4))


def test_slurm_job_without_srun_is_one_process_or_refused(config, monkeypatch):
    for name, value in {"SLURM_JOB_ID": 7, "SLURM_NNODES": 1, "SLURM_NTASKS": 2, "SLURM_PROCID": 0}.items():
        monkeypatch.setenv(name, str(value))
    assert processes(config.trainer) == (1, 1)
    assert isinstance(environment(), LightningEnvironment)  # Lightning's SLURM plug-in would wait for a second process
    assert processes(replace(config.trainer, devices=2)) == (2, 1)
    monkeypatch.setenv("SLURM_NNODES", "2")
    with pytest.raises(VsrError, match="2 machines, .* put srun before"):
        processes(config.trainer)
    for name, value in {"SLURM_STEP_ID": 0, "SLURM_STEP_NUM_TASKS": 1}.items():  # srun --pty bash
        monkeypatch.setenv(name, str(value))
    assert processes(config.trainer) == (1, 1)


def test_refuses_impossible_machine_settings(config):
    for changes in ({"strategy": "ddpp"}, {"num_nodes": 0}, {"devices": 0}):
        with pytest.raises(VsrError, match="trainer"):
            replace(config.trainer, **changes)
    with pytest.raises(VsrError, match="trainer: .*abacus"):
        LipReaderRun(replace(config, trainer=replace(config.trainer, accelerator="abacus")), "nowhere")


@given(st.lists(st.integers(1, 6), min_size=1, max_size=9), st.integers(1, 9))
def test_deal_gives_every_clip_once(sizes, number):
    batches, start = [], 0
    for size in sizes[:number]:
        batches.append(list(range(start, start + size)))
        start += size
    sharded = divide_among_ranks(batches, number)
    assert len(sharded) == number and sorted(sum(sharded, [])) == list(range(start))
    assert all(sharded) or max(map(len, sharded)) == 1
