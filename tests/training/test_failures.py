"""An error that one rank alone meets ends all ranks, as under srun, where nothing else ends them; rank 0 reports it."""

import os
import signal
import socket
import sys
import time
from dataclasses import replace

import pytest

from tests.training.test_machines import FORKS, config, slurm_environment, torchrun_environment  # noqa: F401  the fixture
from vsr.cli import main
from vsr.data.manifest import read_manifest, write_manifest
from vsr.training.config import dump_config
from vsr.training.fabric import rank_zero_only
from vsr.training.lipreader import LipReaderRun

pytestmark = pytest.mark.slow


def verb(environment, path, out, stderr, break_run):
    """`vsr train` as a rank; ``break_run`` may damage its class."""
    os.environ.update({name: str(value) for name, value in environment.items()})
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT), 2)
    sys.stderr = os.fdopen(os.dup(2), "w", encoding="utf-8")
    if break_run:
        break_run()
    status = main(["train", "--config", str(path), "--out", str(out)])
    sys.stderr.flush()
    os._exit(status)


def statuses_and_lines(configs, folder, breaks=(None, None), launcher=torchrun_environment):
    """Exit status and standard error of each rank of `vsr train`, which must end within a minute."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    started, files = [], [folder / f"stderr{rank}" for rank in range(len(configs))]
    for rank, own in enumerate(configs):
        path = folder / f"{rank}.yaml"
        path.write_text(dump_config(own), encoding="utf-8")
        environment = launcher(rank, len(configs), port)
        arguments = environment, path, folder / "run", files[rank], breaks[rank]
        started.append(FORKS.Process(target=verb, args=arguments))
        started[-1].start()
    until = time.monotonic() + 150
    for process in started:
        process.join(max(0.0, until - time.monotonic()))
    waiting = [rank for rank, process in enumerate(started) if process.is_alive()]
    for process in started:
        process.kill()
    assert not waiting, f"ranks {waiting} wait for ever"
    lines = [
        [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("vsr: ")] for file in files
    ]
    return [process.exitcode for process in started], lines


def with_dev(config, folder, name, **changes):  # noqa: F811
    """The configuration with a dev list of two batches, one for each rank."""
    clips = [replace(clip, num_frames=3000, **changes) for clip in read_manifest(config.data.dev[0])]
    write_manifest(folder / f"{name}.jsonl", clips)
    return replace(config, data=replace(config.data, dev=(str(folder / f"{name}.jsonl"),)))


@pytest.mark.parametrize("rank", [0, 1])
def test_dev_list_that_one_rank_cannot_read_ends_both(config, tmp_path, rank):  # noqa: F811
    configs = [with_dev(config, tmp_path, "there")] * 2
    configs[rank] = with_dev(config, tmp_path, "lost", crop=str(tmp_path / "lost.npy"))
    status, lines = statuses_and_lines(configs, tmp_path)
    assert status == [1, 1] and len(lines[0]) == 1 and not lines[1]
    assert lines[0][0].startswith("vsr: " + "rank 1: " * rank + "cannot read the crop of ")


def lose_a_setting():
    def epoch(run):
        raise KeyError("lost")

    LipReaderRun._epoch = epoch


def be_killed():
    def epoch(run):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    LipReaderRun._epoch = epoch


def test_unforeseen_error_of_a_rank_is_reported_by_rank_0(config, tmp_path):  # noqa: F811
    status, lines = statuses_and_lines([config, config], tmp_path, (None, lose_a_setting))
    assert status[0] == 1 and status[1] == 1 and lines[0] == ["vsr: rank 1: KeyError: 'lost'"]
    assert "Traceback" in (tmp_path / "stderr1").read_text(encoding="utf-8")


def test_rank_that_is_asked_to_end_ends_all(config, tmp_path):  # noqa: F811
    status, lines = statuses_and_lines([config, config], tmp_path, (None, be_killed))
    assert status == [143, 143] and lines[0] == ["vsr: rank 1: ended by SIGTERM"]


def be_rank_one():
    """A new process reads this from its environment."""
    rank_zero_only.rank = 1


def test_rank_that_fails_before_the_ranks_are_connected_ends_all(config, tmp_path):  # noqa: F811
    """As on a machine without its GPU: nothing else ends the other ranks of an `srun`, which wait for half an hour."""
    other = replace(config, trainer=replace(config.trainer, devices=7))
    statuses, lines = statuses_and_lines([config, other], tmp_path, (None, be_rank_one), slurm_environment)
    assert statuses == [1, 1]
    assert lines == [["vsr: rank 1: trainer.devices is 7, but SLURM started the run with 1"], []]
