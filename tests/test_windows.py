"""What Windows lacks is checked for before use; emulated here by removing it."""

import re
import signal
from pathlib import Path

import pytest

from vsr.core import worker
from vsr.data import sampler

ROOT = Path(__file__).parents[1]
POSIX = re.compile(r"/dev/null|os\.(fork|killpg|setsid|mkfifo|uname|gete?uid)\(|get_context\(.fork.\)")


@pytest.mark.parametrize("package", ["vsr", "lip2speech"])
def test_no_posix_call_without_check(package):
    uses = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in sorted((ROOT / package).rglob("*.py"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if POSIX.search(line)
    ]
    assert uses == []


def test_loader_workers_are_spawned_where_there_is_no_forkserver(monkeypatch):
    monkeypatch.setattr(sampler, "get_all_start_methods", lambda: ["spawn"])
    assert sampler.worker_context(2).get_start_method() == "spawn"
    assert sampler.worker_context(0) is None
    monkeypatch.undo()
    assert sampler.worker_context(2).get_start_method() == "forkserver"


def test_worker_whose_parent_is_gone_cleans_up_before_it_ends(monkeypatch):
    signals, statuses = [], []
    monkeypatch.delattr(signal, "pthread_kill")
    monkeypatch.setattr(signal, "raise_signal", signals.append)
    monkeypatch.setattr(worker.os, "kill", lambda *_: pytest.fail("that ends a process of Windows at once"))
    monkeypatch.setattr(worker.os, "_exit", statuses.append)
    monkeypatch.setattr(worker, "GRACE", 0)
    worker._follow(parent=-1)
    assert signals == [signal.SIGTERM] and statuses == [128 + signal.SIGTERM]


def test_rank_without_sentinels_sleeps_between_checks(monkeypatch):
    slept = []
    monkeypatch.setattr(worker.time, "sleep", slept.append)
    monkeypatch.setattr(worker, "wait", lambda *_: pytest.fail("Windows cannot wait for nothing"))
    assert worker._wait(()) == [] and slept == [worker.LOOK]
