"""A folder's ledger: a file made from the same inputs is kept; any other is made again, and the reason is given."""

import multiprocessing
import os

import pytest

from vsr.core.artifacts import CHANGED, KEPT, LEDGER, NEW, UNRECORDED, Ledger, identify, record_of, summary_of_states
from vsr.core.files import atomic_write


def make(folder, name, inputs, text="made"):
    with atomic_write(folder / name) as temporary:
        temporary.write_text(text, encoding="utf-8")
        record = record_of(name, temporary, inputs)
    Ledger(folder).append([record])


def state(folder, name, inputs):
    return Ledger(folder).state(name, inputs)


def test_file_is_kept_until_an_input_an_option_or_the_file_changes(tmp_path):
    source = tmp_path / "source"
    source.write_text("one", encoding="utf-8")
    assert state(tmp_path, "a", {}) == NEW
    (tmp_path / "a").touch()
    assert state(tmp_path, "a", {}) == UNRECORDED
    make(tmp_path, "a", {"source": identify(source), "beam": 4})
    assert state(tmp_path, "a", {"beam": 4, "source": identify(source)}) == KEPT
    assert state(tmp_path, "a", {"source": identify(source), "beam": 5}) == "other beam"
    source.write_text("two", encoding="utf-8")
    assert state(tmp_path, "a", {"source": identify(source), "beam": 4}) == "other source"
    source.write_text("one", encoding="utf-8")
    assert state(tmp_path, "a", {"source": identify(source), "beam": 4}) == KEPT
    (tmp_path / "a").write_text("touched", encoding="utf-8")
    assert state(tmp_path, "a", {"source": identify(source), "beam": 4}) == CHANGED


def test_file_is_hashed_again_only_if_size_or_times_change(tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.write_text("one", encoding="utf-8")
    known = identify(source)
    monkeypatch.setattr("vsr.core.artifacts._hashed", lambda *rest: "read")
    assert identify(source, known) == known
    source.write_text("two", encoding="utf-8")
    assert identify(source, known)["sha256"] == "read"
    source.unlink()
    assert identify(source, known) == known and identify(source) == {"absent": str(source)}


def test_copied_folder_is_kept_but_other_bytes_of_same_size_are_noticed(tmp_path):
    import shutil

    (tmp_path / "one").mkdir()
    make(tmp_path / "one", "a", {})
    shutil.copytree(tmp_path / "one", tmp_path / "two", copy_function=shutil.copyfile)
    assert state(tmp_path / "two", "a", {}) == KEPT
    (tmp_path / "two" / "a").write_text("MADE", encoding="utf-8")
    assert state(tmp_path / "two", "a", {}) == CHANGED


def test_torn_ledger_lines_lose_only_their_own_file(tmp_path):
    for name in "ab":
        make(tmp_path, name, {})
    whole = (tmp_path / LEDGER).read_bytes()
    (tmp_path / LEDGER).write_bytes(whole[:-20])
    make(tmp_path, "c", {})
    (tmp_path / LEDGER).write_bytes((tmp_path / LEDGER).read_bytes() + b'\n[1]\n{"name": 3}\n\xff\n')
    assert [state(tmp_path, name, {}) for name in "abc"] == [KEPT, UNRECORDED, KEPT]


def add_lines(folder, first):
    for number in range(first, first + 100):
        make(folder, f"f{number}", {"number": number})


def test_two_processes_can_write_one_ledger(tmp_path):
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=add_lines, args=(tmp_path, first)) for first in (0, 100)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert all(Ledger(tmp_path).state(f"f{n}", {"number": n}) == KEPT for n in range(200))


def test_ledger_line_must_match_the_file(tmp_path):
    """One writes its file last and its line first."""
    make(tmp_path, "a", {"run": 2}, "two")
    second = (tmp_path / LEDGER).read_bytes()
    os.utime(tmp_path / "a", ns=(1, 1))
    kept = (tmp_path / "a").read_bytes()
    make(tmp_path, "a", {"run": 1}, "one")
    (tmp_path / "a").write_bytes(kept)
    assert state(tmp_path, "a", {"run": 1}) == CHANGED
    (tmp_path / LEDGER).write_bytes((tmp_path / LEDGER).read_bytes() + second)
    assert state(tmp_path, "a", {"run": 2}) == KEPT


@pytest.mark.parametrize(
    "states, sentence",
    [
        ([NEW, NEW], ""),
        ([KEPT, KEPT, NEW], "crops: 2 kept, 1 new"),
        ([KEPT, *["other video"] * 2, UNRECORDED], "crops: 1 kept, 3 made again (2 other video, 1 without a record)"),
    ],
)  # fmt: skip
def test_summary_of_kept_and_remade_files(states, sentence):
    assert summary_of_states(states, "crops") == sentence
