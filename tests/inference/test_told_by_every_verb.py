"""What `vsr transcribe` tells of how lips were seen, every verb that looks at lips tells: from video and from crops."""

import json

import numpy as np
import pytest

from tests.conftest import write_video
from tests.video.test_frame_rate import held
from tests.video.test_stretches import COVERS, DEMO, cover, frames_of, piece_of
from vsr.cli import main
from vsr.cli.commands.find import MISSED
from vsr.data.manifest import Clip, write_manifest
from vsr.face.mouth_crop import crop_video
from vsr.inference import free_reading
from vsr.inference.face_report import face_report_of

PROBLEMS = ("the mouth is covered: ", "changes fewer than 11 times a second at the mouth")
VERBS = {
    "transcribe": "VIDEO", "align": "VIDEO --text ab", "find": "a VIDEO", "phrases": "list.txt VIDEO --json",
    "phrases enrol": "ab VIDEO --folder own", "phrases own": "VIDEO --folder known --json", "encode": "VIDEO -o out",
}  # fmt: skip


@pytest.fixture(scope="module")
def poor(tmp_path_factory):
    """Five frames a second; from the middle on a mask before the mouth."""
    frames = frames_of(DEMO)
    spoilt = cover(frames, piece_of(frames).points, **COVERS["black"])
    both = np.concatenate([frames, spoilt])[2::5]
    return write_video(tmp_path_factory.mktemp("seen") / "poor.mp4", both, 5)


@pytest.fixture(scope="module")
def known(tiny_model, tmp_path_factory):
    """A folder of two phrases of one's own."""
    folder = tmp_path_factory.mktemp("known")
    for phrase, part in (("one", slice(0, 50)), ("two", slice(25, 75))):
        clip = write_video(folder / f"{phrase}.mp4", frames_of(DEMO)[part])
        assert main(["phrases", "enrol", phrase, str(clip), "--folder", str(folder), "--model", str(tiny_model)]) == 0
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_a_video(verb, poor, known, tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("a b\n")
    words = [{"VIDEO": str(poor), "known": str(known)}.get(word, word) for word in VERBS[verb].split()]
    assert main([*verb.split(), *words, "--model", str(tiny_model)]) == 0
    printed = capsys.readouterr()
    assert [printed.err.count(problem) for problem in PROBLEMS] == [1, 1]
    if "--json" in words:
        assert [each["reason"] for each in json.loads(printed.out)["warnings"]] == ["covered", "few_frames"]


@pytest.mark.parametrize("at, problem", [("1", PROBLEMS[1]), ("5", PROBLEMS[0])])
def test_a_page_of_what_it_shows(at, problem, poor, tiny_model, tmp_path, capsys):
    words = ["inspect", str(poor), "-o", str(tmp_path / "page.html"), "--at", at, "--model", str(tiny_model)]
    assert main(words) == 0 and problem in capsys.readouterr().err


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A manifest of stored crops: as filmed, and a few times a second."""
    folder, crop = tmp_path_factory.mktemp("listed"), crop_video(DEMO).crop
    for name, own in (("usual", crop), ("slow", held(crop, 5))):
        np.save(folder / f"{name}.npy", own)
    clips = [Clip(name, "none", "a b", "s", len(crop), str(folder / f"{name}.npy")) for name in ("usual", "slow")]
    write_manifest(folder / "manifest.jsonl", clips)
    return folder / "manifest.jsonl"


@pytest.mark.parametrize("verb, out", [("decode", "h.jsonl"), ("posteriors", "folder")])
def test_stored_crops(verb, out, listed, tiny_model, tmp_path, capsys):
    words = ["--manifest", str(listed), "--out", str(tmp_path / out), "--model", str(tiny_model), "--device", "cpu"]
    assert main([verb, *words]) == 0
    assert f"vsr: 1 of 2 clips (slow): the picture {PROBLEMS[1]}" in capsys.readouterr().err
    if verb == "decode":
        usual, slow = map(json.loads, (tmp_path / out).read_text().splitlines())
        assert "problems" not in usual and slow["problems"] == ["few frames"]
        assert usual["in_domain"] is None and slow["in_domain"] < 0.5  # as `vsr transcribe` has them
        assert all(word["confidence"] <= 2 * slow["in_domain"] for word in slow["words"])


def test_a_search_without_matches_says_whether_such_lips_are_known(poor, tiny_model, capsys):
    words = ["find", "zz", str(poor), "--threshold", "1", "--model", str(tiny_model)]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.splitlines()[-1].endswith(f"{free_reading.UNLIKE}: {MISSED}")


def test_faces_that_are_compared_are_told_to_rest(tmp_path, capsys):
    still = write_video(tmp_path / "still.mp4", frames_of(DEMO)[:1].repeat(40, 0))
    assert main(["expert", str(DEMO), str(still)]) == 0
    assert f"vsr: {still}: the lips are at rest from beginning to end" in capsys.readouterr().err


def test_a_clip_is_as_well_seen_as_its_video(poor):
    (track,) = face_report_of(crop_video(poor)).tracks
    assert "few frames" in track.problems and track.quality < 0.5
    assert face_report_of(crop_video(DEMO)).warnings == []
