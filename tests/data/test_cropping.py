"""Cropping a corpus: every clip ends as a crop or as a refusal with its reason, and a second run only fills in."""

import json

import numpy as np
import pytest

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
    np.save(out / "kept.npy", np.zeros((7, 96, 96), np.uint8))
    (out / "broken.npy").write_bytes(b"\x93NUMPY half a file")
    assert crop_corpus(corpus / "in.jsonl", out) == {"cropped": 1, "kept": 1}
    assert [clip.num_frames for clip in read_manifest(out / "manifest.jsonl")] == [7, 25]
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


def _crop_or_die(out_dir, clip):
    import os

    if clip.id == "text":
        os.abort()
    return cropping.Outcome(clip.id, 25)
