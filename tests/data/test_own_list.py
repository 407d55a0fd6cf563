"""The list in a folder is not replaced by one of other clips, whichever verb writes it."""

from collections import Counter

import numpy as np
import pytest

from lip2speech.cli import main as lip2speech
from vsr.core.errors import VsrError
from vsr.corpora import labelling
from vsr.data import corrupting, cropping, waves
from vsr.data.corrupting import Order
from vsr.data.corruption import Corruption
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.own_list import check_list
from vsr.data.video_corruption import Amount, VideoCorruption
from vsr.media.audio import write_wave

BLUR = Order(Corruption(video=VideoCorruption(blur=Amount(p=1e-12, values=(1.0,)))))


def clips(*names):
    return [Clip(name, f"{name}.mp4", "a", num_frames=25, crop=f"{name}.npy") for name in names]


def lists(folder, *names):
    write_manifest(folder / "list.jsonl", clips(*names))
    return folder / "list.jsonl"


@pytest.fixture
def out(tmp_path):
    """A folder in which an earlier run left the list of two clips."""
    write_manifest(tmp_path / "out" / "manifest.jsonl", clips("a", "b"))
    return tmp_path / "out"


def test_list_may_grow_and_shrink_but_not_become_another(out):
    manifest = out / "manifest.jsonl"
    check_list(out / "none.jsonl", clips("c"))
    check_list(manifest, clips("a"))
    check_list(manifest, clips("c", "b", "a"))
    with pytest.raises(VsrError, match="lists other clips, such as a, and none of these") as caught:
        check_list(manifest, clips("c", "d"))
    assert caught.value.reason == "exists"


def crop(folder, out):
    cropping.Ledger(out).add("manifest.jsonl", {})
    return cropping.crop_corpus(lists(folder, "c"), out)


def corrupt(folder, out):
    for name in ("manifest.jsonl", "corruption.json"):
        corrupting.Ledger(out).add(name, BLUR.inputs())
    return corrupting.corrupt_corpus(clips("c"), out, BLUR)


def label(folder, out):
    record = {"id": "a", "source": {}, "labels": [], "made": "digest"}
    labelling._append(out / "labels.jsonl", record)
    return labelling._done(out, clips("c"), "digest")


VERBS = {
    "crop": crop, "corrupt": corrupt, "label": label,
    "waves": lambda folder, out: waves.write_waves(lists(folder, "c"), out),
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_verb_keeps_the_list_of_other_clips(out, tmp_path, monkeypatch, verb):
    monkeypatch.setattr(cropping, "crop_in_processes", lambda *rest: pytest.fail("it crops"))
    with pytest.raises(VsrError, match="lists other clips, such as a") as caught:
        VERBS[verb](tmp_path, out)
    assert caught.value.reason == "exists"
    assert [clip.id for clip in read_manifest(out / "manifest.jsonl")] == ["a", "b"]


def test_features_keep_the_list_of_other_sound(out, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("lip2speech.features.corpus.extract_corpus", lambda *rest: Counter())
    (out / "manifest.jsonl").rename(out / "sound.jsonl")
    write_wave(tmp_path / "sound" / "x.wav", np.zeros(16_000, np.float32))
    assert lip2speech(["features", "--sound", str(tmp_path / "sound"), "--units", "u", "--out", str(out)]) == 1
    assert "lists other clips, such as a" in capsys.readouterr().err
