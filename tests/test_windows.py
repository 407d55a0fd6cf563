"""What only Windows lacks is asked for before it is used; emulated here by taking it away."""

import re
import signal
from pathlib import Path

import pytest

from vsr.core import worker
from vsr.data import sampler

ROOT = Path(__file__).parents[1]
POSIX = re.compile(r"/dev/null|os\.(fork|killpg|setsid|mkfifo|uname|gete?uid)\(|get_context\(.fork.\)")


@pytest.mark.parametrize("package", ["vsr", "lip2speech"])
def test_nothing_counts_on_what_windows_has_not(package):
    found = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in sorted((ROOT / package).rglob("*.py"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if POSIX.search(line)
    ]
    assert found == []


def test_workers_of_a_loader_begin_again_where_there_is_no_server_of_forks(monkeypatch):
    monkeypatch.setattr(sampler, "get_all_start_methods", lambda: ["spawn"])
    assert sampler.worker_context(2).get_start_method() == "spawn"
    assert sampler.worker_context(0) is None
    monkeypatch.undo()
    assert sampler.worker_context(2).get_start_method() == "forkserver"


def test_a_worker_whose_parent_is_gone_cleans_up_before_it_ends(monkeypatch):
    asked, ended = [], []
    monkeypatch.delattr(signal, "pthread_kill")
    monkeypatch.setattr(signal, "raise_signal", asked.append)
    monkeypatch.setattr(worker.os, "kill", lambda *_: pytest.fail("that ends a process of Windows at once"))
    monkeypatch.setattr(worker.os, "_exit", ended.append)
    monkeypatch.setattr(worker, "GRACE", 0)
    worker._follow(parent=-1)
    assert asked == [signal.SIGTERM] and ended == [128 + signal.SIGTERM]


def test_a_rank_without_sentinels_sleeps_between_two_looks(monkeypatch):
    slept = []
    monkeypatch.setattr(worker.time, "sleep", slept.append)
    monkeypatch.setattr(worker, "wait", lambda *_: pytest.fail("Windows cannot wait for nothing"))
    assert worker._wait(()) == [] and slept == [worker.LOOK]
