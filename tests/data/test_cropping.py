"""Cropping a corpus: every clip ends as a crop or as a refusal with its reason, and a second run only fills in."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data import cropping
from vsr.data.cropping import crop_corpus
from vsr.data.manifest import Clip, read_manifest, write_manifest


@pytest.fixture
def corpus(tmp_path, face_clip, landscape_clip):
    text = tmp_path / "text.mp4"
    text.write_text("no video", encoding="utf-8")
    videos = {"good": face_clip, "again": face_clip, "empty_land": landscape_clip, "text": text}
    write_manifest(tmp_path / "in.jsonl", [Clip(name, str(path), "bin blue") for name, path in videos.items()])
    return tmp_path


def test_crops_and_refusals(corpus, capfd):
    counts = crop_corpus(corpus / "in.jsonl", corpus / "out", jobs=1)
    assert counts == {"cropped": 2, "no_face": 1, "unreadable": 1}
    clips = read_manifest(corpus / "out" / "manifest.jsonl")
    assert [(clip.id, clip.num_frames) for clip in clips] == [("good", 25), ("again", 25)]
    for clip in clips:
        crop = np.load(clip.crop)
        assert crop.shape == (25, 96, 96) and crop.dtype == np.uint8
    refused = json.loads((corpus / "out" / "refused.json").read_text(encoding="utf-8"))
    assert refused["counts"] == {"no_face": 1, "unreadable": 1}
    assert refused["clips"]["empty_land"]["reason"] == "no_face"
    assert "feedback" not in capfd.readouterr().err.lower()  # the models' own logs stay quiet


def test_second_run_keeps_whole_crops_and_replaces_broken_ones(corpus, face_clip, monkeypatch):
    write_manifest(corpus / "in.jsonl", [Clip(name, str(face_clip), "bin") for name in ("kept", "broken")])
    out = corpus / "out"
    out.mkdir()
    np.save(out / "kept.npy", np.zeros((7, 96, 96), np.uint8))  # of nobody knows what
    (out / "broken.npy").write_bytes(b"\x93NUMPY half a file")
    assert crop_corpus(corpus / "in.jsonl", out) == {"cropped": 2}
    (out / "broken.npy").write_bytes((out / "broken.npy").read_bytes()[:99_000])
    assert crop_corpus(corpus / "in.jsonl", out) == {"cropped": 1, "kept": 1}
    assert [clip.num_frames for clip in read_manifest(out / "manifest.jsonl")] == [25, 25]
    monkeypatch.setattr(cropping, "_crop_clip", lambda *rest: pytest.fail("nothing to do"))
    monkeypatch.setattr(cropping, "in_processes", lambda *rest: pytest.fail("nothing to do"))
    assert crop_corpus(corpus / "in.jsonl", out) == {"kept": 2}


def test_a_clip_that_kills_its_process_costs_that_clip_only(corpus, monkeypatch):
    monkeypatch.setattr(cropping, "_crop_clip", _crop_or_die)
    clips = read_manifest(corpus / "in.jsonl")
    outcomes = {o.id: o for o in cropping.crop_in_processes(clips, corpus / "out", 2)}
    assert set(outcomes) == {clip.id for clip in clips}
    assert outcomes["text"].reason == "unreadable" and "crashes" in outcomes["text"].message
    assert outcomes["good"].frames == outcomes["again"].frames == 25


def _crop_or_die(out_dir, clip, store):
    import os

    if clip.id == "text":
        os.abort()
    return cropping.Outcome(clip.id, 25)


def crop_as(corpus, clip, capfd):
    """Frames of the crop, counts and what was told, of a list of that one clip."""
    write_manifest(corpus / "one.jsonl", [clip])
    counts = crop_corpus(corpus / "one.jsonl", corpus / "out")
    return read_manifest(corpus / "out" / "manifest.jsonl")[0].num_frames, counts, capfd.readouterr().err


def test_another_video_or_part_under_the_same_id_is_another_crop(corpus, face_clip, make_video, make_face, capfd):
    video, longer = corpus / "c.mp4", make_video(corpus / "longer.mp4", make_face(50))
    shutil.copy(face_clip, video)
    clip = Clip("c", str(video), "bin")
    assert crop_as(corpus, clip, capfd)[:2] == (25, {"cropped": 1})
    assert crop_as(corpus, clip, capfd)[:2] == (25, {"kept": 1})
    shutil.copy(longer, video)
    frames, counts, printed = crop_as(corpus, clip, capfd)
    assert (frames, counts) == (50, {"cropped": 1}) and "crops: 1 made again (1 other video)" in printed
    part = replace(clip, start=0.4, end=1.4)
    frames, counts, printed = crop_as(corpus, part, capfd)
    assert (frames, counts) == (25, {"cropped": 1}) and "1 other part" in printed
    moved = video.rename(corpus / "moved.mp4")
    assert crop_as(corpus, replace(part, video=str(moved)), capfd)[1] == {"kept": 1}, "the same bytes elsewhere"
    moved.unlink()
    assert crop_as(corpus, replace(part, video=str(moved)), capfd)[1] == {"kept": 1}, "it is gone, not replaced"


def test_a_video_of_the_same_size_and_time_is_another_video(corpus, face_clip, capfd):
    video = shutil.copy(face_clip, corpus / "c.mp4")
    clip = Clip("c", str(video), "bin")
    crop_as(corpus, clip, capfd)
    before, data = video.stat(), bytearray(video.read_bytes())
    data[-1] ^= 1
    video.write_bytes(data)
    os.utime(video, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert video.stat().st_size == before.st_size and video.stat().st_mtime_ns == before.st_mtime_ns
    assert crop_as(corpus, clip, capfd)[1] == {"cropped": 1}


def test_another_way_of_cropping_and_a_crop_that_somebody_changed_are_made_again(corpus, face_clip, capfd, monkeypatch):
    clip = Clip("c", str(face_clip), "bin")
    crop_as(corpus, clip, capfd)
    np.save(corpus / "out" / "c.npy", np.ones((25, 96, 96), np.uint8))
    assert "1 changed since" in crop_as(corpus, clip, capfd)[2]
    monkeypatch.setattr(cropping, "VERSION", cropping.VERSION + 1)
    assert "1 other way of cropping" in crop_as(corpus, clip, capfd)[2]


def test_a_killed_run_keeps_what_it_finished(corpus, face_clip, capfd):
    names = ["a", "b", "c"]
    write_manifest(corpus / "in.jsonl", [Clip(name, str(face_clip), "bin") for name in names])

    class Killed:
        def crop(self, clips, out_dir, store="npy"):
            yield from cropping.crop_in_processes(clips[:2], out_dir, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crop_corpus(corpus / "in.jsonl", corpus / "out", engine=Killed())
    ledger = corpus / "out" / ".made.jsonl"
    ledger.write_bytes(ledger.read_bytes() + b'\n{"name": "c.npy", "fi')
    assert crop_corpus(corpus / "in.jsonl", corpus / "out") == {"cropped": 1, "kept": 2}
    assert crop_corpus(corpus / "in.jsonl", corpus / "out") == {"kept": 3}


def test_other_peoples_files_stay(corpus, face_clip):
    out = corpus / "data"
    clip = Clip("c", str(face_clip), "bin")
    write_manifest(out / "manifest.jsonl", [clip])
    write_manifest(corpus / "in.jsonl", [clip])
    before = (out / "manifest.jsonl").read_bytes()
    cases = {out / "manifest.jsonl": "is what is read", corpus / "in.jsonl": "no crops of its folder"}
    for manifest, printed in cases.items():
        with pytest.raises(VsrError, match=printed):
            crop_corpus(manifest, out)
    assert (out / "manifest.jsonl").read_bytes() == before and not (out / "c.npy").exists()
    (corpus / "arrays").mkdir()
    np.save(corpus / "arrays" / "c.npy", np.zeros((3, 512), np.float32))
    with pytest.raises(VsrError, match="is not a mouth crop"):
        crop_corpus(corpus / "in.jsonl", corpus / "arrays")
    assert np.load(corpus / "arrays" / "c.npy").shape == (3, 512)


def test_a_refusal_is_told_with_its_reason(tmp_path, capsys):
    """It was "1 unreadable", and nothing of which file and why."""
    write_manifest(tmp_path / "in.jsonl", [Clip("a", "C:\\data\\a.mp4", "bin")])
    assert main(["crop", "--manifest", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "out"), "--jobs", "1"]) == 1
    said = capsys.readouterr()
    assert (
        said.out == "1 unreadable\n" and "vsr: 1 refused, such as C:" in said.err and "a.mp4: no such file" in said.err
    )
