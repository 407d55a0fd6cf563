"""`vsr prepare` does not replace lists of another corpus or of the user; the same preparation may be repeated."""

import json

import pytest

from tests.corpora.test_grid import make_speaker
from tests.corpora.test_listed import make_voxmm, touch
from vsr.cli import main


@pytest.fixture
def corpora_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_speaker(tmp_path / "grid", "s1", 16)
    make_voxmm(tmp_path / "voxmm")
    return tmp_path


def prepare(name, out="lists", *options):
    corpus = [] if name == "puppet" else ["--corpus", name.split("_")[-1]]
    return main(["prepare", name, *corpus, "--out", out, *options])


def snapshot(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_same_preparation_and_another_seed_run_again(corpora_folder):
    assert prepare("grid") == 0
    before = snapshot(corpora_folder / "lists")
    assert prepare("grid") == 0 and snapshot(corpora_folder / "lists") == before
    assert prepare("grid", "lists", "--seed", "1") == 0 and snapshot(corpora_folder / "lists") != before


def test_lists_of_versions_without_a_ledger_are_known_by_their_clips(corpora_folder):
    assert prepare("grid") == 0
    (corpora_folder / "lists" / ".made.jsonl").unlink()
    assert prepare("grid") == 0 and prepare("grid", "lists", "--seed", "1") == 0


@pytest.mark.parametrize("name", ["lrs_voxmm", "puppet"])
def test_lists_of_another_corpus_are_not_replaced(corpora_folder, capsys, name):
    assert prepare("grid") == 0
    before = snapshot(corpora_folder / "lists")
    capsys.readouterr()
    assert prepare(name) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "train.jsonl is a list of grid" in line and "--out" in line
    assert snapshot(corpora_folder / "lists") == before, "corpus.json, report.json, too"


@pytest.mark.parametrize("name", ["grid", "lrs_voxmm", "puppet", "landmarks"])
def test_lists_of_the_user_are_not_replaced(corpora_folder, capsys, name):
    import numpy as np

    touch(corpora_folder / "lists" / "train.jsonl", '{"id": "mine", "video": "mine.mp4", "text": "hello"}\n')
    (corpora_folder / "landmarks").mkdir()
    np.savez(corpora_folder / "landmarks" / "s1.npz", names=["a"])
    assert prepare(name) == 1 and "nothing says that vsr prepare" in capsys.readouterr().err
    assert [path.name for path in (corpora_folder / "lists").iterdir()] == ["train.jsonl"]


def test_list_corrected_by_hand_is_not_replaced(corpora_folder, capsys):
    assert prepare("grid") == 0
    path = corpora_folder / "lists" / "dev.jsonl"
    path.write_text(path.read_text("utf-8").replace("bin", "lay"), encoding="utf-8")
    before = snapshot(corpora_folder / "lists")
    assert prepare("grid", "lists", "--seed", "1") == 1
    assert "was changed since" in capsys.readouterr().err and snapshot(corpora_folder / "lists") == before


def test_ledger_is_no_list_to_readers_of_a_folder_of_lists(corpora_folder):
    from vsr.corpora.landmarks import _held_out

    assert prepare("grid") == 0
    assert len(_held_out(corpora_folder / "lists")) == 6  # dev and test_s1 of 16 clips


def test_lists_of_other_names_share_a_folder(corpora_folder):
    touch(corpora_folder / "lists" / "mine.jsonl", "{}\n")
    assert prepare("grid") == 0
    assert (corpora_folder / "lists" / "mine.jsonl").read_text("utf-8") == "{}\n"
    recorded = [
        json.loads(line) for line in (corpora_folder / "lists" / ".made.jsonl").read_text("utf-8").split("\n") if line
    ]
    assert {record["name"] for record in recorded} == {"train.jsonl", "dev.jsonl", "test_s1.jsonl"}
