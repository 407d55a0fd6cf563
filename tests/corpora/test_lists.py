"""Lists of another corpus, and those of a user's own, survive `vsr prepare`; the same preparation runs again."""

import json

import pytest

from tests.corpora.test_grid import make_speaker
from tests.corpora.test_listed import make_voxmm, touch
from vsr.cli import main


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_speaker(tmp_path / "grid", "s1", 16)
    make_voxmm(tmp_path / "voxmm")
    return tmp_path


def prepare(name, out="lists", *more):
    corpus = [] if name == "puppet" else ["--corpus", name.split("_")[-1]]
    return main(["prepare", name, *corpus, "--out", out, *more])


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_the_same_preparation_and_another_seed_run_again(desk):
    assert prepare("grid") == 0
    before = snapshot(desk / "lists")
    assert prepare("grid") == 0 and snapshot(desk / "lists") == before
    assert prepare("grid", "lists", "--seed", "1") == 0 and snapshot(desk / "lists") != before


def test_lists_of_a_version_without_a_ledger_are_known_by_their_clips(desk):
    assert prepare("grid") == 0
    (desk / "lists" / ".made.jsonl").unlink()
    assert prepare("grid") == 0 and prepare("grid", "lists", "--seed", "1") == 0


@pytest.mark.parametrize("name", ["lrs_voxmm", "puppet"])
def test_lists_of_another_corpus_are_not_replaced(desk, capsys, name):
    assert prepare("grid") == 0
    before = snapshot(desk / "lists")
    capsys.readouterr()
    assert prepare(name) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "train.jsonl is a list of grid" in line and "--out" in line
    assert snapshot(desk / "lists") == before, "corpus.json, report.json, too"


@pytest.mark.parametrize("name", ["grid", "lrs_voxmm", "puppet", "landmarks"])
def test_somebody_s_own_list_is_not_replaced(desk, capsys, name):
    import numpy as np

    touch(desk / "lists" / "train.jsonl", '{"id": "mine", "video": "mine.mp4", "text": "hello"}\n')
    (desk / "landmarks").mkdir()
    np.savez(desk / "landmarks" / "s1.npz", names=["a"])
    assert prepare(name) == 1 and "nothing says that vsr prepare" in capsys.readouterr().err
    assert [path.name for path in (desk / "lists").iterdir()] == ["train.jsonl"]


def test_a_list_that_was_corrected_by_hand_is_not_replaced(desk, capsys):
    assert prepare("grid") == 0
    path = desk / "lists" / "dev.jsonl"
    path.write_text(path.read_text("utf-8").replace("bin", "lay"), encoding="utf-8")
    before = snapshot(desk / "lists")
    assert prepare("grid", "lists", "--seed", "1") == 1
    assert "was changed since" in capsys.readouterr().err and snapshot(desk / "lists") == before


def test_the_ledger_is_no_list_to_those_who_read_a_folder_of_lists(desk):
    from vsr.corpora.landmarks import _held_out

    assert prepare("grid") == 0
    assert len(_held_out(desk / "lists")) == 6  # dev and test_s1 of 16 clips


def test_lists_of_other_names_share_a_folder(desk):
    touch(desk / "lists" / "mine.jsonl", "{}\n")
    assert prepare("grid") == 0
    assert (desk / "lists" / "mine.jsonl").read_text("utf-8") == "{}\n"
    recorded = [json.loads(line) for line in (desk / "lists" / ".made.jsonl").read_text("utf-8").split("\n") if line]
    assert {record["name"] for record in recorded} == {"train.jsonl", "dev.jsonl", "test_s1.jsonl"}
