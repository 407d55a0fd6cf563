"""Work in processes: in order or as it is done, taken as needed; one that dies costs its item only."""

import os
import shutil
from functools import partial

import pytest

from vsr.core import machine
from vsr.core.machine import cores
from vsr.core.pool import in_processes
from vsr.inference.bulk import MEMORY, Settings, default_jobs


def half(number):
    """3 kills its process, as a fault in a C library does."""
    if number == 3:
        os._exit(1)
    return number // 2


@pytest.mark.parametrize("ordered", [True, False])
def test_a_process_that_dies_costs_its_item_only(ordered):
    found = list(in_processes(half, [0, 2, 3, 4, 6], 2, lambda item: ("lost", item), ordered))
    expected = [0, 1, ("lost", 3), 2, 3]
    assert found == expected if ordered else sorted(found, key=str) == sorted(expected, key=str)


def test_a_corpus_is_not_handed_over_at_once():
    taken = []
    results = in_processes(abs, (taken.append(item) or item for item in range(1000)), 1, str)
    assert next(results) == 0 and len(taken) < 10
    results.close()


def test_errors_of_the_work_travel():
    with pytest.raises(ValueError, match="invalid literal"):
        list(in_processes(partial(int, base=8), ["7", "9"], 1, str))


def settings_of_libraries(number):
    """What the libraries of this process were told before they were loaded."""
    return {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS")}


@pytest.mark.parametrize("own, expected", [(None, str(max(1, cores() // 2))), ("7", "7")])
def test_processes_share_the_cores_unless_the_user_says_otherwise(own, expected, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    if own:
        monkeypatch.setenv("OMP_NUM_THREADS", own)
    for printed in in_processes(settings_of_libraries, [0, 1], 2, str):
        assert printed == {"OMP_NUM_THREADS": expected, "OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}


@pytest.mark.parametrize(
    "num_files, free, expected", [(1, 1000, 1), (7, 1000, 1), (8, 1000, 2), (500, 1000, 8), (500, 35, 3), (500, 5, 1)]
)
def test_processes_are_as_many_as_cores_files_and_memory_allow(num_files, free, expected, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "free_memory", lambda: free)
    assert machine.processes_for(num_files, 10) == expected


def test_limits_of_a_container_count(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    without = machine.cores()
    assert without >= 1 and machine.free_memory() > 0
    (tmp_path / "cpu.max").write_text("100000 100000\n", encoding="utf-8")
    (tmp_path / "memory.max").write_text("1000\n", encoding="utf-8")
    (tmp_path / "memory.current").write_text("400\n", encoding="utf-8")
    assert machine.cores() == 1 and machine.free_memory() == 600
    (tmp_path / "cpu.max").write_text("max 100000\n", encoding="utf-8")
    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    assert machine.cores() == without and machine.free_memory() > 600


def test_a_larger_model_leaves_room_for_fewer_processes(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(machine, "free_memory", lambda: 4 * (MEMORY + 2**20))
    assert default_jobs(100, Settings(str(tiny_model))) == 4
    large = shutil.copytree(tiny_model, tmp_path / "large")
    with (large / "model.safetensors").open("r+b") as weights:
        weights.truncate(300 << 20)
    assert default_jobs(100, Settings(str(large))) == 1
