"""LRS-VoxMM, WildVSR, MuAViC, CMLR and LRW-1000 in their authors' layouts: lists, and what is missing."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch  # noqa: F401  before decord, after which it would crash

from tests.lrs_tree import put
from vsr.cli import main
from vsr.core.files import read_json
from vsr.corpora.cmlr import prepare_cmlr
from vsr.corpora.lrs_voxmm import prepare_lrs_voxmm
from vsr.corpora.lrw1000 import prepare_lrw1000, window
from vsr.corpora.muavic import prepare_muavic
from vsr.corpora.wildvsr import prepare_wildvsr
from vsr.data.crop_files import read_crop
from vsr.data.manifest import read_manifest


def touch(path, text=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or "", encoding="utf-8")


def make_voxmm(root):
    for name, text in (
        ("train/vidA/00001", "SO IT GOES"),
        ("train/vidA/00002", "YES"),
        ("test/-vidB/00007", "OH THANK YOU"),
    ):
        put(root, name, f"Text:  {text}\n")
    touch(root / "test" / "-vidB" / "00009.txt", "Text:  NO VIDEO HERE\n")
    touch(root / "segment_list" / "train.txt", "vidA 1\nvidA 2\nvidC 4\n")
    touch(root / "segment_list" / "test.txt", "-vidB 7\n-vidB 9\n")
    return root


def make_wildvsr(root):
    labels = {"0001.mp4": "THIS IS  WILD", "0002.mp4": "GONE", "0003.mp4": " "}
    touch(root / "labels.json", json.dumps(labels))
    for name in ("0001.mp4", "0003.mp4"):
        touch(root / "videos" / name)
    return root


def make_muavic(root, languages=("es", "fr")):
    for language in languages:
        for split in ("train", "valid", "test"):
            names = [f"{split}/talk/talk_{number:04d}" for number in range(3)]
            rows = [f"{name}\t/elsewhere/{name}.mp4\t/elsewhere/{name}.wav\t50\t32000" for name in names]
            touch(root / language / f"{split}.tsv", "\n".join(["/", *rows]) + "\n")
            touch(root / language / f"{split}.{language}", f"hola a todos\n\n{split} señor\n")
            for name in names if split != "test" else names[:1]:
                touch(root / language / "video" / f"{name}.mp4")
    return root


def make_cmlr(root):
    names = {"train": ["s1/20170121/section_1_000.80_002.91", "s2/20180101/section_2_001.00_002.00"],
             "val": ["s1/20170122_section_3_000.00_001.00"],
             "test": ["s1/20170123/section_4_000.00_001.00"]}  # fmt: skip
    for split, clips in names.items():
        touch(root / f"{split}.csv", "".join(f"{name}\n" for name in clips))
        for name in clips:
            path = name.replace("_", "/", 1) if name.count("/") == 1 else name
            touch(root / "video" / f"{path}.mp4")
            touch(root / "text" / f"{path}.txt", "习 近平 会见\nxi jin ping hui jian\n")
    (root / "video" / f"{names['train'][1]}.mp4").unlink()
    return root


def make_lrw1000(root, images=60):
    rng = np.random.default_rng(0)
    for folder, size in (("aa11", 96), ("bb22", 112)):
        (root / "images" / folder).mkdir(parents=True)
        for number in range(1, images + 1):
            flat = np.full((size, size), 4 * number, np.uint8)
            flat[: size // 2] = rng.integers(0, 255)
            cv2.imwrite(str(root / "images" / folder / f"{number}.jpg"), flat)
    touch(root / "info" / "trn_1000.txt", "aa11,中国,zhong guo,0.8,1.2\nbb22,西安,xi an,0.1,0.3\n")
    touch(root / "info" / "val_1000.txt", "aa11,先,xian,2.0,2.3\n")
    touch(root / "info" / "tst_1000.txt", "cc33,中国,zhong guo,0.8,1.2\nbb22,中国,zhong guo,0.8,1.2\n")
    return root


def lists_of(report, out):
    return {name: read_manifest(out / f"{name}.jsonl") for name in report.lists}


def test_voxmm_names_what_its_tools_left_out(tmp_path):
    report = prepare_lrs_voxmm(make_voxmm(tmp_path / "in"), tmp_path / "out")
    lists = lists_of(report, tmp_path / "out")
    assert [clip.id for clip in lists["train"]] == ["train_vidA_00001"] and lists["train"][0].text == "SO IT GOES"
    assert [(clip.id, clip.speaker) for clip in lists["test"]] == [("test_-vidB_00007", "-vidB")]
    assert report.skipped == {
        "train/vidA/00002": "not 2 to 80 words", "train/vidC/00004": "in the segment list, and not there",
        "test/-vidB/00009": "no video",
    }  # fmt: skip
    report_lines = report.lines()
    assert "DIFFERS: train utterances: 1, published 3 (2 fewer)" in report_lines
    shutil.rmtree(tmp_path / "in" / "segment_list")
    assert "train utterances: 1" in prepare_lrs_voxmm(tmp_path / "in", tmp_path / "out").lines()


def test_wildvsr_is_a_test_list_with_its_losses_named(tmp_path):
    report = prepare_wildvsr(make_wildvsr(tmp_path / "WildVSR"), tmp_path / "out")
    (clip,) = lists_of(report, tmp_path / "out")["test"]
    assert (clip.id, clip.text) == ("0001", "THIS IS WILD") and clip.video.endswith("videos/0001.mp4")
    assert report.skipped == {"0002.mp4": "no video", "0003.mp4": "no words"}
    assert prepare_wildvsr(tmp_path, tmp_path / "out2").lists == {"test": 1}  # so does the folder above
    assert read_json(tmp_path / "out" / "report.json")["counts"][0] == {
        "what": "test utterances", "found": 1, "published": 3,
    }  # fmt: skip


def test_muavic_of_one_language_and_of_several(tmp_path):
    root = make_muavic(tmp_path / "muavic")
    report = prepare_muavic(root / "es", tmp_path / "es")
    lists = lists_of(report, tmp_path / "es")
    assert {name: len(clips) for name, clips in lists.items()} == {"train": 2, "dev": 2, "test": 1}
    clip = lists["dev"][1]
    assert clip.text == "valid señor" and clip.num_frames == 50 and clip.speaker == "talk" and clip.crop == clip.video
    assert report.skipped["train/talk/talk_0001"] == "no words" and report.skipped["test/talk/talk_0002"] == "no video"
    both = prepare_muavic(root, tmp_path / "both")
    assert both.lists == {
        f"{language}_{name}": n for language in ("es", "fr") for name, n in (("train", 2), ("dev", 2), ("test", 1))
    }
    ids = [clip.id for clips in lists_of(both, tmp_path / "both").values() for clip in clips]
    assert len(set(ids)) == len(ids)


def test_cmlr_reads_both_spellings_of_its_lists(tmp_path):
    report = prepare_cmlr(make_cmlr(tmp_path / "in"), tmp_path / "out")
    lists = lists_of(report, tmp_path / "out")
    assert {name: [clip.text for clip in clips] for name, clips in lists.items()} == dict.fromkeys(
        lists, ["习近平会见"]
    )
    assert lists["dev"][0].id == "s1_20170122_section_3_000.00_001.00" and lists["dev"][0].speaker == "s1"
    assert report.skipped == {"s2/20180101/section_2_001.00_002.00": "no video"}
    assert "DIFFERS: sentences: 3, published 102,072 (102,069 fewer)" in report.lines()


def test_lrw1000_images_become_crops_with_the_word_in_the_middle(tmp_path):
    root, out = make_lrw1000(tmp_path / "in"), tmp_path / "out"
    report = prepare_lrw1000(root, out)
    lists = lists_of(report, out)
    middle, edge = lists["train"]
    assert (middle.text, edge.text) == ("zhong'guo", "xi'an") and middle.num_frames == 40
    crop = read_crop(middle.crop)
    assert crop.shape == (40, 96, 96)
    np.testing.assert_allclose(crop[:, 60:].mean((1, 2)), 4 * np.arange(6, 46), atol=3)  # images 6 to 45
    assert middle.words == (("zhong'guo", 0.6, 1.0),)
    assert (edge.num_frames, edge.words[0][1:]) == (25, (0.1, 0.3)) and read_crop(edge.crop).shape == (25, 96, 96)
    assert list(report.skipped.values()) == ["no images"] and len(lists["test"]) == 1
    before = {path: path.stat().st_mtime_ns for path in (out / "crops").iterdir()}
    (root / "images" / "aa11" / "20.jpg").write_bytes(b"no image")
    assert prepare_lrw1000(root, out).lists == report.lists  # kept, and not read again
    assert before == {path: path.stat().st_mtime_ns for path in (out / "crops").iterdir()}
    (out / "crops" / f"{middle.id}.mp4").unlink()
    assert "an image cannot be read" in prepare_lrw1000(root, out).skipped.values()


@pytest.mark.parametrize("start", [0.0, 0.04, 0.5, 1.0, 2.0, 2.39])
@pytest.mark.parametrize("count", [1, 39, 40, 60])
def test_window_has_at_most_40_existing_images(start, count):
    first, stop = window(start, start + 0.2, count)
    assert first >= 1 and stop <= count + 1 and stop - first <= 40
    if count == 60 and 0.8 <= start <= 1.5:
        assert stop - first == 40


MAKERS = {
    "lrs_voxmm": make_voxmm, "wildvsr": make_wildvsr, "muavic": make_muavic, "cmlr": make_cmlr, "lrw1000": make_lrw1000,
}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_command_prepares_each_corpus_and_refuses_another_folder(tmp_path, capsys, name):
    MAKERS[name](tmp_path / "in")
    assert main(["prepare", name, "--corpus", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    output = capsys.readouterr().out.splitlines()
    assert any(line.startswith("lists: ") for line in output) and any(line.startswith("skipped ") for line in output)
    (tmp_path / "empty").mkdir()
    assert main(["prepare", name, "--corpus", str(tmp_path / "empty"), "--out", str(tmp_path / "no")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1 and not (tmp_path / "no").exists()


@pytest.mark.parametrize("name, file, text, message", [
    ("lrs_voxmm", "segment_list/test.txt", "vidB\n", "line 1"),
    ("wildvsr", "labels.json", "{", "cannot be read"),
    ("wildvsr", "labels.json", "[1]", "no object"),
    ("muavic", "es/test.es", "one\n", "has 3 clips, its texts are 1"),
    ("muavic", "es/test.tsv", "/\na\tb\nc\td\ne\tf\n", "is not id"),
    ("lrw1000", "info/val_1000.txt", "aa11,word,pin yin,0.5\n", "line 1"),
    ("lrw1000", "info/val_1000.txt", "aa11,word,pin yin,0.5,nan\n", "no such times"),
])  # fmt: skip
def test_broken_list_stops_with_one_line(tmp_path, capsys, name, file, text, message):
    MAKERS[name](tmp_path / "in")
    (tmp_path / "in" / file).write_text(text, encoding="utf-8")
    assert main(["prepare", name, "--corpus", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    (line,) = [error_line for error_line in capsys.readouterr().err.splitlines() if error_line.startswith("vsr: ")]
    assert message in line and not (tmp_path / "out").exists()
