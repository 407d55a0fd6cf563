"""Cropping a corpus: every clip becomes a crop or a refusal with its reason, and a second run only fills in."""

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


def test_crops_and_refusals_are_written(corpus, capfd):
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
    assert "feedback" not in capfd.readouterr().err.lower()  # the networks' own logs are silenced


def test_second_run_keeps_whole_crops_and_replaces_broken_ones(corpus, face_clip, monkeypatch):
    write_manifest(corpus / "in.jsonl", [Clip(name, str(face_clip), "bin") for name in ("kept", "broken")])
    out = corpus / "out"
    out.mkdir()
    np.save(out / "kept.npy", np.zeros((7, 96, 96), np.uint8))  # of unknown origin
    (out / "broken.npy").write_bytes(b"\x93NUMPY half a file")
    assert crop_corpus(corpus / "in.jsonl", out) == {"cropped": 2}
    (out / "broken.npy").write_bytes((out / "broken.npy").read_bytes()[:99_000])
    assert crop_corpus(corpus / "in.jsonl", out) == {"cropped": 1, "kept": 1}
    assert [clip.num_frames for clip in read_manifest(out / "manifest.jsonl")] == [25, 25]
    monkeypatch.setattr(cropping, "_crop_clip", lambda *rest: pytest.fail("nothing to do"))
    monkeypatch.setattr(cropping, "in_processes", lambda *rest: pytest.fail("nothing to do"))
    assert crop_corpus(corpus / "in.jsonl", out) == {"kept": 2}


def test_clip_that_kills_its_process_fails_alone(corpus, monkeypatch):
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
    """Crop a list of one clip: frames of the crop, counts, stderr."""
    write_manifest(corpus / "one.jsonl", [clip])
    counts = crop_corpus(corpus / "one.jsonl", corpus / "out")
    return read_manifest(corpus / "out" / "manifest.jsonl")[0].num_frames, counts, capfd.readouterr().err


def test_other_video_or_part_under_the_same_id_is_cropped_again(corpus, face_clip, make_video, make_face, capfd):
    video, longer = corpus / "c.mp4", make_video(corpus / "longer.mp4", make_face(50))
    shutil.copy(face_clip, video)
    clip = Clip("c", str(video), "bin")
    assert crop_as(corpus, clip, capfd)[:2] == (25, {"cropped": 1})
    assert crop_as(corpus, clip, capfd)[:2] == (25, {"kept": 1})
    shutil.copy(longer, video)
    frames, counts, errors = crop_as(corpus, clip, capfd)
    assert (frames, counts) == (50, {"cropped": 1}) and "crops: 1 made again (1 other video)" in errors
    part = replace(clip, start=0.4, end=1.4)
    frames, counts, errors = crop_as(corpus, part, capfd)
    assert (frames, counts) == (25, {"cropped": 1}) and "1 other part" in errors
    moved = video.rename(corpus / "moved.mp4")
    assert crop_as(corpus, replace(part, video=str(moved)), capfd)[1] == {"kept": 1}, "the same bytes elsewhere"
    moved.unlink()
    assert crop_as(corpus, replace(part, video=str(moved)), capfd)[1] == {"kept": 1}, "it is gone, not replaced"


def test_video_of_same_size_and_time_but_other_bytes_is_cropped_again(corpus, face_clip, capfd):
    video = shutil.copy(face_clip, corpus / "c.mp4")
    clip = Clip("c", str(video), "bin")
    crop_as(corpus, clip, capfd)
    before, data = video.stat(), bytearray(video.read_bytes())
    data[-1] ^= 1
    video.write_bytes(data)
    os.utime(video, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert video.stat().st_size == before.st_size and video.stat().st_mtime_ns == before.st_mtime_ns
    assert crop_as(corpus, clip, capfd)[1] == {"cropped": 1}


def test_other_method_and_changed_crops_are_cropped_again(corpus, face_clip, capfd, monkeypatch):
    clip = Clip("c", str(face_clip), "bin")
    crop_as(corpus, clip, capfd)
    np.save(corpus / "out" / "c.npy", np.ones((25, 96, 96), np.uint8))
    assert "1 changed since" in crop_as(corpus, clip, capfd)[2]
    monkeypatch.setattr(cropping, "VERSION", cropping.VERSION + 1)
    assert "1 other way of cropping" in crop_as(corpus, clip, capfd)[2]


def test_killed_run_keeps_what_it_finished(corpus, face_clip, capfd):
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


def test_foreign_files_are_not_replaced(corpus, face_clip):
    out = corpus / "data"
    clip = Clip("c", str(face_clip), "bin")
    write_manifest(out / "manifest.jsonl", [clip])
    write_manifest(corpus / "in.jsonl", [clip])
    before = (out / "manifest.jsonl").read_bytes()
    cases = {out / "manifest.jsonl": "is what is read", corpus / "in.jsonl": "no crops of its folder"}
    for manifest, message in cases.items():
        with pytest.raises(VsrError, match=message):
            crop_corpus(manifest, out)
    assert (out / "manifest.jsonl").read_bytes() == before and not (out / "c.npy").exists()
    (corpus / "arrays").mkdir()
    np.save(corpus / "arrays" / "c.npy", np.zeros((3, 512), np.float32))
    with pytest.raises(VsrError, match="is not a mouth crop"):
        crop_corpus(corpus / "in.jsonl", corpus / "arrays")
    assert np.load(corpus / "arrays" / "c.npy").shape == (3, 512)


def test_refusal_is_printed_with_its_reason(tmp_path, capsys):
    """Once, "1 unreadable" was all that was printed."""
    write_manifest(tmp_path / "in.jsonl", [Clip("a", "C:\\data\\a.mp4", "bin")])
    assert main(["crop", "--manifest", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "out"), "--jobs", "1"]) == 1
    output = capsys.readouterr()
    assert (
        output.out == "1 unreadable\n"
        and "vsr: 1 refused, such as C:" in output.err
        and "a.mp4: no such file" in output.err
    )
