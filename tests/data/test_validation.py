"""Validation finds, without decoding videos, what would stop or degrade a run."""

import numpy as np
import pytest

from lip2speech.cli import main as speech
from tests.footage import tone, write_recording
from tests.video.test_damage import damaged
from vsr.cli import main
from vsr.core.files import read_json
from vsr.data.manifest import Clip, write_manifest
from vsr.data.validation import validate


@pytest.fixture
def manifest(tmp_path, face_clip, make_sound):
    video, text = str(face_clip), tmp_path / "text.mp4"
    text.write_text("no video", encoding="utf-8")
    clips = [
        Clip("good", video, "bin blue", words=(("bin", 0.1, 0.4), ("blue", 0.4, 0.9))),
        Clip("part", video, "bin", start=0.2, end=0.6),
        Clip("outside", video, "bin", start=3.0, end=4.0),
        Clip("words", video, "bin", words=(("bin", 0.1, 2.4),)),
        Clip("silent", video, "..."),
        Clip("absent", str(tmp_path / "absent.mp4"), "bin"),
        Clip("text", str(text), "bin"),
        Clip("sound", str(make_sound(tmp_path / "sound.mp4")), "bin"),
    ]
    write_manifest(tmp_path / "all.jsonl", clips)
    write_manifest(tmp_path / "good.jsonl", clips[:2])
    return tmp_path


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_problem_is_named(manifest, jobs):
    report = validate([manifest / "all.jsonl"], jobs)[str(manifest / "all.jsonl")]
    assert {name: reason for name, (reason, _) in report.refused.items()} == {
        "outside": "part_outside", "words": "words_outside", "silent": "no_words", "absent": "unreadable",
        "text": "unreadable", "sound": "no_video",
    }  # fmt: skip
    assert report.hours * 3600 == pytest.approx(1.0 + 0.4, abs=0.05)
    assert report.sizes == {"256x256": 2} and report.rates == {"25": 2}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_damage_is_found_by_decoding(tmp_path, capsys, jobs):
    """Headers do not show it: without decoding, the list passes and the next step refuses the clip."""
    whole = write_recording(tmp_path / "whole.mkv", np.arange(100) / 25, tone(4), options={"g": "25"})
    broken = damaged(whole, tmp_path / "spoilt.mkv")
    write_manifest(tmp_path / "films.jsonl", [Clip("whole", str(whole), "bin"), Clip("spoilt", str(broken), "bin")])
    command = ["validate", "--manifest", str(tmp_path / "films.jsonl"), "--jobs", jobs, "--tolerate", "1"]
    assert main(command) == 0 and "refused: none" in capsys.readouterr().out
    assert main([*command, "--decode", "--report", str(tmp_path / "r.json")]) == 0
    assert "refused: 1 unreadable" in capsys.readouterr().out
    (report,) = read_json(tmp_path / "r.json").values()
    assert list(report["refused"]) == ["spoilt"] and "is damaged from" in report["refused"]["spoilt"][1]


def test_refuses_impossible_options(manifest, capsys):
    assert main(["validate", "--manifest", str(manifest / "good.jsonl"), "--tolerate", "-1"]) == 2
    assert "give a share from 0 to 1" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["validate", "--manifest", str(manifest / "good.jsonl"), "--jobs", "0"])


@pytest.mark.parametrize("arguments", [["units", "--out", "x"], ["features", "--units", "x", "--out", "y"]])
def test_speech_training_needs_crops(manifest, capsys, arguments):
    assert speech([arguments[0], "--manifest", str(manifest / "good.jsonl"), *arguments[1:]]) == 1
    assert "2 clips have no mouth crop, such as good: run vsr crop first" in capsys.readouterr().err


def test_validate_stops_a_run(manifest, capsys):
    assert main(["validate", "--manifest", str(manifest / "good.jsonl")]) == 0
    assert "2 clips, 0.00 h, 256x256, 25 fps, refused: none" in capsys.readouterr().out
    both = [str(manifest / "good.jsonl"), str(manifest / "all.jsonl")]
    assert main(["validate", "--manifest", *both, "--report", str(manifest / "report.json")]) == 1
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1 and "6 of 8 clips refused, such as" in error[0]
    assert len(read_json(manifest / "report.json")[both[1]]["refused"]) == 6
    assert main(["validate", "--manifest", both[1], "--tolerate", "0.8"]) == 0


def test_parts_are_compared_with_the_times_of_the_frames(tmp_path):
    """Not with a longer sound, nor with their number if the first frame is late."""
    even = np.arange(75) / 25
    late = str(write_recording(tmp_path / "late.mp4", 15 + even, tone(30)))
    long = str(write_recording(tmp_path / "long.mkv", even, tone(30)))
    parts = {
        "seen": (late, 15.5, 17.5), "end": (late, 17, 0), "before": (late, 0.5, 14), "behind": (late, 19, 0),
        "sound": (long, 10, 12), "over": (long, 1, 5), "good": (long, 1, 3),
    }  # fmt: skip
    clips = [Clip(name, video, "bin", start=start, end=end) for name, (video, start, end) in parts.items()]
    write_manifest(tmp_path / "m.jsonl", clips)
    (checked,) = validate([tmp_path / "m.jsonl"]).values()
    assert {name: reason for name, (reason, _) in checked.refused.items()} == dict.fromkeys(
        ("before", "behind", "sound", "over"), "part_outside"
    )
    assert checked.hours * 3600 == pytest.approx(2 + 1 + 2, abs=0.1)
    assert "shows nothing before 15.00 s" in checked.refused["before"][1]
