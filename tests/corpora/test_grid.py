"""GRID's layouts on a made-up tree: transcripts from align files, disjoint lists, every skipped clip counted."""

import pytest

from vsr.core.errors import VsrError
from vsr.core.files import read_json
from vsr.corpora.grid import prepare_grid
from vsr.data.manifest import Clip, read_manifest
from vsr.data.splits import check_disjoint

ALIGN = "0 12000 sil\n12000 18000 bin\n18000 25000 blue\n25000 74000 sil\n"


def make_speaker(root, speaker, count, layout="video"):
    for i in range(count):
        video = root / speaker / ("video" if layout == "video" else "") / f"clip{i:03d}.mpg"
        align = root / speaker / "align" / f"clip{i:03d}.align"
        for path, content in ((video, ""), (align, ALIGN)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")


@pytest.mark.parametrize("layout", ["video", "original"])
def test_lists_are_disjoint_seeded_and_complete(tmp_path, layout):
    for speaker, count in (("s1", 80), ("s2", 6), ("s30", 5), ("s7", 3)):
        make_speaker(tmp_path / "grid", speaker, count, layout)
    counts = prepare_grid(tmp_path / "grid", tmp_path / "a", seed=1)
    assert counts == {"train": 55, "dev": 10, "test_s1": 20, "test_s2s5": 4, "unseen": 5, "skipped": 0}
    lists = {name: read_manifest(tmp_path / "a" / f"{name}.jsonl") for name in counts if name != "skipped"}
    ids = [clip.id for clips in lists.values() for clip in clips]
    assert len(ids) == len(set(ids)) == 94
    assert {clip.speaker for clip in lists["unseen"]} == {"s30"}
    assert lists["train"][0].text == "bin blue"
    assert lists["train"][0].words == (("bin", 0.48, 0.72), ("blue", 0.72, 1.0))
    prepare_grid(tmp_path / "grid", tmp_path / "b", seed=1)
    assert (tmp_path / "a" / "dev.jsonl").read_text() == (tmp_path / "b" / "dev.jsonl").read_text()


def test_clips_without_a_transcript_are_counted(tmp_path):
    make_speaker(tmp_path, "s1", 8)
    (tmp_path / "s1" / "align" / "clip003.align").unlink()
    assert prepare_grid(tmp_path, tmp_path / "out")["skipped"] == 1
    assert read_json(tmp_path / "out" / "report.json")["skipped_clips"] == {"s1_clip003": "no align file"}


def test_broken_corpus_is_named(tmp_path):
    with pytest.raises(VsrError, match="not a folder"):
        prepare_grid(tmp_path / "absent", tmp_path / "out")
    with pytest.raises(VsrError, match="no GRID clips"):
        prepare_grid(tmp_path, tmp_path / "out")
    make_speaker(tmp_path, "s1", 1)
    (tmp_path / "s1" / "align" / "clip000.align").write_text("0 12 sil\nhello\n", encoding="utf-8")
    with pytest.raises(VsrError, match="line 2"):
        prepare_grid(tmp_path, tmp_path / "out")


def test_refuses_clip_in_two_lists():
    clip = Clip("a", "a.mp4", "text")
    with pytest.raises(VsrError, match="train and test"):
        check_disjoint([clip], [], [clip])
