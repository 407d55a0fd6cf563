"""Problems with how lips are seen are reported by every verb, for videos and for crops."""

import json

import numpy as np
import pytest

from tests.conftest import write_video
from tests.video.test_frame_rate import with_repeats
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
def poor_clip(tmp_path_factory):
    """Five frames a second, with a mask over the mouth in the second half."""
    frames = frames_of(DEMO)
    masked = cover(frames, piece_of(frames).points, **COVERS["black"])
    joined = np.concatenate([frames, masked])[2::5]
    return write_video(tmp_path_factory.mktemp("seen") / "poor.mp4", joined, 5)


@pytest.fixture(scope="module")
def phrase_folder(tiny_model, tmp_path_factory):
    """A folder of two own phrases."""
    folder = tmp_path_factory.mktemp("known")
    for phrase, part in (("one", slice(0, 50)), ("two", slice(25, 75))):
        clip = write_video(folder / f"{phrase}.mp4", frames_of(DEMO)[part])
        assert main(["phrases", "enrol", phrase, str(clip), "--folder", str(folder), "--model", str(tiny_model)]) == 0
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_problems_of_a_video_are_reported(verb, poor_clip, phrase_folder, tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("a b\n")
    arguments = [{"VIDEO": str(poor_clip), "known": str(phrase_folder)}.get(word, word) for word in VERBS[verb].split()]
    assert main([*verb.split(), *arguments, "--model", str(tiny_model)]) == 0
    output = capsys.readouterr()
    assert [output.err.count(problem) for problem in PROBLEMS] == [1, 1]
    if "--json" in arguments:
        assert [warning["reason"] for warning in json.loads(output.out)["warnings"]] == ["covered", "few_frames"]


@pytest.mark.parametrize("time, problem", [("1", PROBLEMS[1]), ("5", PROBLEMS[0])])
def test_inspect_reports_the_problem_shown(time, problem, poor_clip, tiny_model, tmp_path, capsys):
    command = ["inspect", str(poor_clip), "-o", str(tmp_path / "page.html"), "--at", time, "--model", str(tiny_model)]
    assert main(command) == 0 and problem in capsys.readouterr().err


@pytest.fixture(scope="module")
def crop_manifest(tmp_path_factory):
    """A manifest of stored crops: at the full frame rate, and at 5 frames a second."""
    folder, crop = tmp_path_factory.mktemp("listed"), crop_video(DEMO).crop
    for name, frames in (("usual", crop), ("slow", with_repeats(crop, 5))):
        np.save(folder / f"{name}.npy", frames)
    clips = [Clip(name, "none", "a b", "s", len(crop), str(folder / f"{name}.npy")) for name in ("usual", "slow")]
    write_manifest(folder / "manifest.jsonl", clips)
    return folder / "manifest.jsonl"


@pytest.mark.parametrize("verb, out", [("decode", "h.jsonl"), ("posteriors", "folder")])
def test_problems_of_stored_crops_are_reported(verb, out, crop_manifest, tiny_model, tmp_path, capsys):
    arguments = [
        "--manifest",
        str(crop_manifest),
        "--out",
        str(tmp_path / out),
        "--model",
        str(tiny_model),
        "--device",
        "cpu",
    ]
    assert main([verb, *arguments]) == 0
    assert f"vsr: 1 of 2 clips (slow): the picture {PROBLEMS[1]}" in capsys.readouterr().err
    if verb == "decode":
        usual, slow = map(json.loads, (tmp_path / out).read_text().splitlines())
        assert "problems" not in usual and slow["problems"] == ["few frames"]
        assert usual["in_domain"] is None and slow["in_domain"] < 0.5  # as in `vsr transcribe`
        assert all(word["confidence"] <= 2 * slow["in_domain"] for word in slow["words"])


def test_search_without_matches_says_if_lips_are_unlike_the_trained_ones(poor_clip, tiny_model, capsys):
    command = ["find", "zz", str(poor_clip), "--threshold", "1", "--model", str(tiny_model)]
    assert main(command) == 0
    output = capsys.readouterr()
    assert output.out == "" and output.err.splitlines()[-1].endswith(f"{free_reading.UNLIKE}: {MISSED}")


def test_expert_reports_lips_at_rest(tmp_path, capsys):
    still = write_video(tmp_path / "still.mp4", frames_of(DEMO)[:1].repeat(40, 0))
    assert main(["expert", str(DEMO), str(still)]) == 0
    assert f"vsr: {still}: the lips are at rest from beginning to end" in capsys.readouterr().err


def test_clip_has_the_problems_of_its_video(poor_clip):
    (track,) = face_report_of(crop_video(poor_clip)).tracks
    assert "few frames" in track.problems and track.quality < 0.5
    assert face_report_of(crop_video(DEMO)).warnings == []
