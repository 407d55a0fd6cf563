"""Work in processes: ordered or not, items taken as needed; a process that dies loses only its item."""

import os
import shutil
from functools import partial

import pytest

from vsr.core import machine
from vsr.core.machine import cores
from vsr.core.pool import in_processes
from vsr.inference.bulk import MEMORY, Settings, default_jobs


def half(number):
    """Half of a number; 3 kills its process, like a fault in a C library."""
    if number == 3:
        os._exit(1)
    return number // 2


@pytest.mark.parametrize("ordered", [True, False])
def test_process_that_dies_loses_only_its_item(ordered):
    results = list(in_processes(half, [0, 2, 3, 4, 6], 2, lambda item: ("lost", item), ordered))
    expected = [0, 1, ("lost", 3), 2, 3]
    assert results == expected if ordered else sorted(results, key=str) == sorted(expected, key=str)


def test_items_are_taken_as_needed():
    taken = []
    results = in_processes(abs, (taken.append(item) or item for item in range(1000)), 1, str)
    assert next(results) == 0 and len(taken) < 10
    results.close()


def test_errors_reach_the_caller():
    with pytest.raises(ValueError, match="invalid literal"):
        list(in_processes(partial(int, base=8), ["7", "9"], 1, str))


def settings_of_libraries(number):
    """Settings for libraries that this process had before they were loaded."""
    return {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS")}


@pytest.mark.parametrize("user_threads, expected", [(None, str(max(1, cores() // 2))), ("7", "7")])
def test_processes_share_the_cores_unless_the_user_sets_threads(user_threads, expected, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OPENBLAS_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    if user_threads:
        monkeypatch.setenv("OMP_NUM_THREADS", user_threads)
    for settings in in_processes(settings_of_libraries, [0, 1], 2, str):
        assert settings == {"OMP_NUM_THREADS": expected, "OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}


@pytest.mark.parametrize(
    "num_files, free, expected", [(1, 1000, 1), (7, 1000, 1), (8, 1000, 2), (500, 1000, 8), (500, 35, 3), (500, 5, 1)]
)
def test_number_of_processes_is_limited_by_cores_files_and_memory(num_files, free, expected, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "free_memory", lambda: free)
    assert machine.processes_for(num_files, 10) == expected


def test_limits_of_a_container_are_heeded(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    unlimited = machine.cores()
    assert unlimited >= 1 and machine.free_memory() > 0
    (tmp_path / "cpu.max").write_text("100000 100000\n", encoding="utf-8")
    (tmp_path / "memory.max").write_text("1000\n", encoding="utf-8")
    (tmp_path / "memory.current").write_text("400\n", encoding="utf-8")
    assert machine.cores() == 1 and machine.free_memory() == 600
    (tmp_path / "cpu.max").write_text("max 100000\n", encoding="utf-8")
    (tmp_path / "memory.max").write_text("max\n", encoding="utf-8")
    assert machine.cores() == unlimited and machine.free_memory() > 600


def test_larger_model_allows_fewer_processes(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(machine, "free_memory", lambda: 4 * (MEMORY + 2**20))
    assert default_jobs(100, Settings(str(tiny_model))) == 4
    large = shutil.copytree(tiny_model, tmp_path / "large")
    with (large / "model.safetensors").open("r+b") as weights:
        weights.truncate(300 << 20)
    assert default_jobs(100, Settings(str(large))) == 1
