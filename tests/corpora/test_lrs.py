"""LRS3, LRS2 and LRW trees: odd text formats, lists made in the published way, and loud differences."""

import pytest

from tests import lrs_tree
from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.core.files import read_json
from vsr.corpora.lrs import read_transcript
from vsr.corpora.lrs2 import prepare_lrs2
from vsr.corpora.lrs3 import prepare_lrs3
from vsr.corpora.lrw import prepare_lrw
from vsr.corpora.preparation_report import Count
from vsr.data.manifest import read_manifest


@pytest.mark.parametrize(
    "line, text",
    [
        ("Text:  AN EXAMPLE", "AN EXAMPLE"),
        ("Text: AN  EXAMPLE ", "AN EXAMPLE"),
        ("Text:\tAN\tEXAMPLE", "AN EXAMPLE"),
        ("Text:  IT'S {LAUGHTER} {} FINE", "IT'S LAUGHTER FINE"),
        ("\ufeffText:  AN EXAMPLE", "AN EXAMPLE"),
        ("Text:  AT 9:30", "AT 9:30"),
    ],
)
def test_odd_text_lines_are_read(tmp_path, line, text):
    (tmp_path / "a.txt").write_text(f"{line}\nConf:  4\n", encoding="utf-8")
    assert read_transcript(tmp_path / "a.txt").text == text


def test_word_tables_may_have_tabs_braces_and_windows_line_ends(tmp_path):
    content = lrs_tree.transcript("A {B}", [("A", 0.1, 0.2), ("{B}", 0.2, 0.5)], 3).replace(" 4.1", "\t4.1")
    (tmp_path / "a.txt").write_bytes(content.replace("\n", "\r\n").encode())
    transcript = read_transcript(tmp_path / "a.txt")
    assert transcript.words == (("A", 0.1, 0.2), ("B", 0.2, 0.5)) and transcript.frames == 3 and not transcript.fault


@pytest.mark.parametrize("row", ["A 0.1", "A x 0.2 1", "A 0.5 0.2 1", "A nan 0.2 1"])
def test_broken_word_table_is_named_and_the_text_kept(tmp_path, row):
    (tmp_path / "a.txt").write_text(f"Text:  A\n\nWORD START END ASDSCORE\n{row}\n", encoding="utf-8")
    transcript = read_transcript(tmp_path / "a.txt")
    assert transcript.text == "A" and not transcript.words and "line 4" in transcript.fault


def test_lrs3_lists_are_the_published_ones(tmp_path):
    report = prepare_lrs3(lrs_tree.make_lrs3(tmp_path / "lrs3"), tmp_path / "out")
    lists = {name: read_manifest(tmp_path / "out" / f"{name}.jsonl") for name in report.lists}
    sizes = {name: len(clips) for name, clips in lists.items()}
    assert sizes == {"train_30h": 15, "train_433h": 24, "train_438h": 27, "dev": 3, "test": 2}
    assert len({clip.speaker for clip in lists["dev"]}) == 1, "whole talks"
    assert {clip.id for clip in lists["test"]} == {"test_-te00xyzxyz_00001", "test_-te00xyzxyz_00002"}
    pieces = [clip for clip in lists["train_433h"] if clip.id.startswith("pretrain_pt00-_aBcDe_00002")]
    assert len(pieces) == 3 and sum(len(clip.words) for clip in pieces) == 60
    assert all(clip.end - clip.start <= 16 for clip in pieces) and pieces[1].start >= pieces[0].end > 0
    whole = next(clip for clip in lists["train_433h"] if clip.id == "pretrain_pt01-_aBcDe_00001")
    assert (whole.start, whole.end) == (0, 0) and whole.words[1][0] == "W1"
    assert report.differs and "DIFFERS: test utterances: 2, published 1,321 (1,319 fewer)" in report.lines()
    assert read_json(tmp_path / "out" / "report.json")["lists"]["dev"] == 3


def test_lrs3_may_be_split_by_published_lists(tmp_path):
    root, lists = lrs_tree.make_lrs3(tmp_path / "lrs3"), tmp_path / "lists"
    lists.mkdir()
    (lists / "lrs3-valid.id").write_text("trainval/tv02_-aBcDe/00001\ntrainval/tv04_-aBcDe/00002\n", encoding="utf-8")
    for part, names in (("train", "pretrain/pt00-_aBcDe/00002"), ("val", "trainval/tv01_-aBcDe/00001"),
                        ("test", "test/-te00xyzxyz/00002")):  # fmt: skip
        (lists / f"lrs3_unseen_{part}.txt").write_text(f"{names}\n", encoding="utf-8")
    report = prepare_lrs3(root, tmp_path / "out", lists)
    assert {c.id for c in read_manifest(tmp_path / "out/dev.jsonl")} == {
        "trainval_tv02_-aBcDe_00001", "trainval_tv04_-aBcDe_00002"}  # fmt: skip
    assert report.lists["unseen_train"] == 3 and report.lists["unseen_test"] == 1
    (lists / "lrs3-valid.id").write_text("trainval/nobody/00001\ntrainval/tv04_-aBcDe/00002\n", encoding="utf-8")
    with pytest.raises(VsrError, match="lrs3-valid.id names 1 clips that the corpus lacks, such as trainval/nobody"):
        prepare_lrs3(root, tmp_path / "again", lists)
    assert not (tmp_path / "again").exists()


def test_missing_files_are_counted_with_their_reason(tmp_path):
    root = lrs_tree.make_lrs3(tmp_path / "lrs3")
    (root / "trainval/tv00_-aBcDe/00001.mp4").unlink()
    (root / "trainval/tv00_-aBcDe/00002.txt").unlink()
    lrs_tree.put(root, "pretrain/pt09-_aBcDe/00001", lrs_tree.transcript("NO TABLE AND TOO LONG", frames=500))
    lrs_tree.put(root, "pretrain/pt09-_aBcDe/00002", lrs_tree.transcript("NO TABLE BUT SHORT", frames=50))
    report = prepare_lrs3(root, tmp_path / "out")
    assert report.skipped == {
        "trainval/tv00_-aBcDe/00001": "no video",
        "trainval/tv00_-aBcDe/00002": "no transcript",
        "pretrain/pt09-_aBcDe/00001": "longer than 16 s without a usable word table",
    }
    ids = {clip.id for clip in read_manifest(tmp_path / "out/train_438h.jsonl")}
    assert "pretrain_pt09-_aBcDe_00002" in ids


def test_bad_corpora_stop_with_one_line(tmp_path, capsys):
    assert main(["prepare", "lrs3", "--corpus", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    assert "is not LRS3: no folder trainval" in capsys.readouterr().err
    root = lrs_tree.make_lrs3(tmp_path / "lrs3")
    for name in ("00001", "00002"):
        (root / f"test/-te00xyzxyz/{name}.txt").write_text("THANK YOU\n", encoding="utf-8")
    assert main(["prepare", "lrs3", "--corpus", str(root), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and "has no line 'Text: ...' (and 1 more transcripts)" in error[0]
    assert not (tmp_path / "out").exists()
    assert main(["prepare", "lrs3", "--out", str(tmp_path / "out")]) == 2
    assert "needs --corpus" in capsys.readouterr().err
    for prepare, message in ((prepare_lrs2, "no folder main"), (prepare_lrw, "is not LRW")):
        with pytest.raises(VsrError, match=message):
            prepare(tmp_path / "out", tmp_path / "lists")


def test_lrs2_lists_are_the_published_ones(tmp_path):
    root = lrs_tree.make_lrs2(tmp_path / "lrs2" / "mvlrs_v1")
    report = prepare_lrs2(tmp_path / "lrs2", tmp_path / "out")
    assert report.lists == {"train": 2, "pretrain": 1, "train_all": 3, "dev": 1, "test": 1}
    assert report.counts[-1] == Count("test words", 3, 6663)
    (root.parent / "test.txt").write_text("5535496873950688380/00009 NF MV\n", encoding="utf-8")
    with pytest.raises(VsrError, match="test.txt names 1 clips that the corpus lacks, such as main/55354"):
        prepare_lrs2(root, tmp_path / "again")
    (root.parent / "val.txt").unlink()
    with pytest.raises(VsrError, match="no list val.txt"):
        prepare_lrs2(root, tmp_path / "again")


def test_lrw_has_lists_and_word_boundaries(tmp_path):
    root = lrs_tree.make_lrw(tmp_path / "lrw" / "lipread_mp4")
    (root / "ABOUT/train/ABOUT_00002.txt").write_text("Disk reference: 1\n", encoding="utf-8")
    report = prepare_lrw(tmp_path / "lrw", tmp_path / "out")
    assert report.lists == {"train": 4, "dev": 4, "test": 4} and len(report.faults) == 1
    clips = {clip.id: clip for clip in read_manifest(tmp_path / "out" / "train.jsonl")}
    assert clips["train_ABOUT_00001"].words == (("ABOUT", 0.38, 0.78),)  # 0.4 s round the middle of 29 frames
    assert clips["train_ABOUT_00002"].words == () and clips["train_ABSOLUTELY_00001"].text == "ABSOLUTELY"


def test_counts_state_what_differs():
    assert str(Count("a", 1321, 1321)) == "a: 1,321, as published"
    assert str(Count("a", 1322, 1321)) == "DIFFERS: a: 1,322, published 1,321 (1 more)"
