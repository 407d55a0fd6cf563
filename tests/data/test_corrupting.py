"""Corrupted corpora: files have the corruption that was asked for, are reproducible, resumable, and replace nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vsr.cli import main
from vsr.core.errors import VsrError
from vsr.data import corrupting
from vsr.data.corrupted_clip import mouth_boxes
from vsr.data.corrupting import Order, corrupt_corpus
from vsr.data.corruption import Corruption
from vsr.data.manifest import Clip, read_manifest, write_manifest
from vsr.data.recordings import recordings
from vsr.data.sound_corruption import Noise, SoundCorruption
from vsr.data.video_corruption import Amount, Occlusion, VideoCorruption
from vsr.media.audio import read_wave, write_wave
from vsr.media.extent import frame_times
from vsr.media.mixing import snr
from vsr.media.mux.written import write_recording
from vsr.media.reader import frames_of_part

ROOT = Path(__file__).parents[2]
NOISY = Order(Corruption(sound=SoundCorruption(Noise(kinds=("babble",), snr=(3.0,), voices=2))), seed=5)
COVERED = Order(Corruption(video=VideoCorruption(Occlusion(kinds=("hand",), share=(0.6,)))), lossless=True)
NOTHING = Order(Corruption(video=VideoCorruption(blur=Amount(p=1e-12, values=(1.0,)))), lossless=True)


def voice(seed, seconds=1.2):
    rng = np.random.default_rng(seed)
    loud = np.sin(np.arange(round(seconds * 16_000)) / 900 + seed) > -0.5
    return (0.1 * loud * rng.standard_normal(len(loud))).astype(np.float32)


def frames_of(path):
    return np.stack([frame for frame, _ in frames_of_part(str(path))])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, make_face):
    """Three talking faces of 30 frames, one of them silent, and a sound file, with texts."""
    folder = tmp_path_factory.mktemp("recorded")
    frames = make_face(30, size=160)
    for number, name in enumerate(("a", "b", "silent")):
        write_recording(
            folder / f"{name}.mkv", frames[::-1] if number else frames, None if number == 2 else voice(number)
        )
        (folder / f"{name}.txt").write_text(f"clip {name}\n", encoding="utf-8")
    write_wave(folder / "heard.wav", voice(7))
    return folder


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch, request):
    """All but the killed run work without processes of their own."""
    if "killed" not in request.node.name:
        monkeypatch.setattr(corrupting, "in_processes", lambda work, items, jobs, lost, ordered: map(work, items))


@pytest.mark.parametrize("lossless", [False, True])
def test_recording_keeps_frames_and_sound(tmp_path, make_face, lossless):
    frames, wave = make_face(12, size=160), voice(0, 0.48)
    assert write_recording(tmp_path / "a.mkv", frames, wave, lossless) == 12
    error = np.abs(frames_of(tmp_path / "a.mkv").astype(int) - frames)
    assert error.mean() < 1 and (not lossless or not error.any())
    np.testing.assert_allclose(read_wave(tmp_path / "a.mkv"), wave, atol=1e-4)


def test_stored_sound_has_the_ratio_asked_for(recorded, tmp_path):
    clips = [clip for clip in recordings([recorded]) if clip.id in ("a", "b", "heard")]
    assert corrupt_corpus(clips, tmp_path, NOISY) == {"corrupted": 3}
    for clip in clips:
        corrupted = next(tmp_path.glob(f"{clip.id}.[mw][ka]*"))
        speech, mixture = read_wave(clip.video).astype(float), read_wave(corrupted).astype(float)
        assert len(speech) == len(mixture)
        assert snr(speech, mixture - speech) == pytest.approx(3, abs=0.01)


def test_manifest_and_report_describe_the_files(recorded, tmp_path):
    counts = corrupt_corpus(recordings([recorded]), tmp_path, NOISY)
    assert counts == {"corrupted": 3, "no_sound": 1}
    listed = {clip.id: clip for clip in read_manifest(tmp_path / "manifest.jsonl")}
    assert sorted(listed) == ["a", "b", "heard"] and listed["a"].text == "clip a" and listed["heard"].text == ""
    assert all(Path(clip.video).is_file() and clip.start == clip.end == 0 for clip in listed.values())
    report = json.loads((tmp_path / "corruption.json").read_text(encoding="utf-8"))
    assert report["seed"] == 5 and report["settings"]["sound"]["noise"]["snr"] == [3.0]
    report_of_sound = report["clips"]["a"]["sound"]
    assert (
        report_of_sound["noise"] == "babble"
        and report_of_sound["snr"] == 3.0
        and len(report_of_sound["voices"]) == 2
        and "a" not in report_of_sound["voices"]
    )
    refused = json.loads((tmp_path / "refused.json").read_text(encoding="utf-8"))
    assert refused["clips"].keys() == {"silent"} and refused["counts"] == {"no_sound": 1}


def test_share_of_the_mouth_is_covered_and_the_rest_unchanged(recorded, tmp_path):
    clips = [clip for clip in recordings([recorded]) if clip.id in ("a", "silent")]
    assert corrupt_corpus(clips, tmp_path, COVERED) == {"corrupted": 2}
    for clip in clips:
        before, after = frames_of(clip.video), frames_of(tmp_path / f"{clip.id}.mkv")
        hidden = np.any(before != after, axis=3)
        boxes = np.round(mouth_boxes(clip, frame_times(clip.video))).astype(int)
        shares = [frame[y0:y1, x0:x1].mean() for frame, (x0, y0, x1, y1) in zip(hidden, boxes, strict=True)]
        assert np.mean(shares) == pytest.approx(0.6, abs=0.06)
        assert hidden[:, :40].sum() == 0  # above the eyes nothing is changed
    with_sound = read_wave(tmp_path / "a.mkv")
    np.testing.assert_allclose(with_sound, read_wave(recorded / "a.mkv"), atol=1e-4)
    with pytest.raises(VsrError) as caught:
        read_wave(tmp_path / "silent.mkv")
    assert caught.value.reason == "no_sound"


def test_part_of_a_recording_becomes_a_file_of_its_own(recorded, tmp_path):
    part = Clip("part", str(recorded / "a.mkv"), "x", start=0.2, end=0.8, words=(("x", 0.1, 0.4),))
    assert corrupt_corpus([part], tmp_path, NOTHING) == {"corrupted": 1}
    (corrupted,) = read_manifest(tmp_path / "manifest.jsonl")
    np.testing.assert_array_equal(frames_of(corrupted.video), frames_of(recorded / "a.mkv")[5:20])
    np.testing.assert_allclose(read_wave(corrupted.video), read_wave(recorded / "a.mkv")[3200:12800], atol=1e-4)
    assert corrupted.words == part.words and corrupted.start == corrupted.end == 0


def test_clip_is_corrupted_alike_in_any_list_and_folder(recorded, tmp_path):
    clips = {clip.id: clip for clip in recordings([recorded])}
    order = Order(Corruption(COVERED.settings.sound, replace(COVERED.settings.video, noise=Amount(values=(9.0,)))))
    corrupt_corpus([clips["a"], clips["silent"]], tmp_path / "two", order)
    corrupt_corpus([clips["a"]], tmp_path / "one", order)
    assert (tmp_path / "one" / "a.mkv").read_bytes() == (tmp_path / "two" / "a.mkv").read_bytes()
    corrupt_corpus([clips["a"]], tmp_path / "other", replace(order, seed=1))
    assert (tmp_path / "other" / "a.mkv").read_bytes() != (tmp_path / "one" / "a.mkv").read_bytes()


def test_crops_are_kept_if_only_the_sound_is_corrupted(recorded, tmp_path):
    clip = replace(recordings([recorded / "a.mkv"])[0], crop="a.npy", num_frames=30, track="a.npz", sound="a.wav")
    for name, order in (("sound", NOISY), ("frames", COVERED)):
        corrupt_corpus([clip], tmp_path / name, order, voices=recordings([recorded / "b.mkv"]))
        (corrupted,) = read_manifest(tmp_path / name / "manifest.jsonl")
        kept = ("a.npy", 30, "a.npz") if name == "sound" else ("", 0, "")
        assert (corrupted.crop, corrupted.num_frames, corrupted.track) == kept and corrupted.sound == ""


def test_dropped_frames_repeat_the_previous_one(recorded, tmp_path):
    order = Order(Corruption(video=VideoCorruption(dropped=Amount(values=(0.4,)))), lossless=True)
    corrupt_corpus([clip for clip in recordings([recorded]) if clip.id == "a"], tmp_path, order)
    report = json.loads((tmp_path / "corruption.json").read_text(encoding="utf-8"))
    dropped = report["clips"]["a"]["video"]["dropped"]
    frames = frames_of(tmp_path / "a.mkv")
    assert len(dropped) == 12 and len(frames) == 30
    for index in dropped:
        assert index == 0 or np.array_equal(frames[index], frames[index - 1])


def test_existing_files_are_kept_unless_their_source_changed(recorded, tmp_path, capfd):
    source = tmp_path / "a.mkv"
    source.write_bytes((recorded / "a.mkv").read_bytes())
    clips, out = recordings([source, recorded / "b.mkv"]), tmp_path / "out"
    assert corrupt_corpus(clips, out, NOTHING) == {"corrupted": 2}
    assert corrupt_corpus(clips, out, NOTHING) == {"kept": 2}
    source.write_bytes((recorded / "b.mkv").read_bytes())
    capfd.readouterr()
    assert corrupt_corpus(clips, out, NOTHING) == {"corrupted": 1, "kept": 1}
    assert "1 kept, 1 made again (1 other source)" in capfd.readouterr().err


def test_existing_files_are_not_replaced(recorded, tmp_path):
    clips = [clip for clip in recordings([recorded]) if clip.id == "a"]
    (tmp_path / "a.mkv").write_bytes(b"mine")
    with pytest.raises(VsrError, match="not part of this set"):
        corrupt_corpus(clips, tmp_path, NOTHING)
    assert (tmp_path / "a.mkv").read_bytes() == b"mine" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(VsrError, match="what is read"):
        corrupt_corpus(clips, recorded, NOTHING)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "manifest.jsonl").write_text("{}", encoding="utf-8")
    with pytest.raises(VsrError, match="exists already"):
        corrupt_corpus(clips, tmp_path / "own", NOTHING)
    corrupt_corpus(clips, tmp_path / "out", NOTHING)
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(VsrError, match="other settings"):
        corrupt_corpus(clips, tmp_path / "out", COVERED)
    assert before == {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}


def test_set_without_any_clip_is_an_error_and_leaves_no_manifest(recorded, tmp_path):
    silent = [clip for clip in recordings([recorded]) if clip.id == "silent"]
    order = Order(Corruption(sound=SoundCorruption(Noise(kinds=("white",)))))
    with pytest.raises(VsrError, match="not one clip") as caught:
        corrupt_corpus(silent, tmp_path, order)
    assert caught.value.reason == "no_sound" and not (tmp_path / "manifest.jsonl").exists()


def test_crops_are_covered_without_their_videos(tmp_path):
    crop = np.random.default_rng(0).integers(0, 256, (20, 96, 96)).astype(np.uint8)
    np.save(tmp_path / "x.npy", crop)
    clip = Clip("x", "gone.mp4", "bin", num_frames=20, crop=str(tmp_path / "x.npy"), track="x.npz")
    order = replace(COVERED, crops=True)
    assert corrupt_corpus([clip], tmp_path / "out", order) == {"corrupted": 1}
    (corrupted,) = read_manifest(tmp_path / "out" / "manifest.jsonl")
    hidden = (np.load(corrupted.crop) != crop)[:, 36:64, 20:76]
    assert hidden.mean() == pytest.approx(0.6, abs=0.03) and corrupted.num_frames == 20
    assert corrupted.track == ""
    with pytest.raises(VsrError, match="no sound"):
        Order(NOISY.settings, crops=True)
    with pytest.raises(VsrError, match="nothing to corrupt"):
        Order(Corruption())
    with pytest.raises(VsrError, match="what is read"):
        corrupt_corpus([clip], tmp_path, order)


def test_killed_run_is_resumed_to_the_same_files(recorded, tmp_path):
    clips = [Clip(f"c{n}", str(recorded / "a.mkv"), "x", start=n / 25, end=n / 25 + 0.6) for n in range(8)]
    write_manifest(tmp_path / "list.jsonl", clips)
    command = ["corrupt", str(tmp_path / "list.jsonl"), "--snr", "2", "--blur", "1", "--jobs", "1", "--out"]
    program = "import sys; from vsr.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", program, *command, str(tmp_path / "killed")], cwd=ROOT, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and len(list((tmp_path / "killed").glob("c*.mkv"))) < 2:
        time.sleep(0.02)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = sorted((tmp_path / "killed").glob("c*.mkv"))
    assert (
        finished and main([*command, str(tmp_path / "killed")]) == 0 and main([*command, str(tmp_path / "whole")]) == 0
    )
    for clip in clips:
        name = f"{clip.id}.mkv"
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize("options, message", [
    ("", "nothing to corrupt"),
    ("--noise white", "give --snr"),
    ("--cover hand", "give --occlude"),
    ("--occlude 0.5 --cover glove", "patch, object, hand"),
    ("--occlude 1.5", "not above 1"),
    ("--snr nan", "snr"),
    ("--bandwidth 9000", "below 8000"),
    ("--seed -1 --snr 0", "--seed"),
    ("--snr 0 --noise absent.wav", "absent.wav"),
    ("--crops --snr 0", "no sound"),
    ("--settings absent.yaml", "absent.yaml"),
    ("--settings absent.yaml --snr 0", "either"),
])  # fmt: skip
def test_bad_options_are_one_line_and_leave_nothing(recorded, tmp_path, capsys, options, message):
    status = 1 if message.startswith("absent") else 2
    assert main(["corrupt", str(recorded), "--out", str(tmp_path / "out"), *options.split()]) == status
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and message in lines[0] and not (tmp_path / "out").exists()


def test_options_and_yaml_give_the_same(recorded, tmp_path):
    (tmp_path / "c.yaml").write_text(
        "video: {blur: {values: [2]}}\nsound: {noise: {snr: [1, 4], kinds: [white]}}\n", "utf-8"
    )
    for name, options in (
        ("yaml", ["--settings", str(tmp_path / "c.yaml")]),
        ("words", ["--blur", "2", "--snr=1,4", "--noise", "white"]),
    ):
        assert main(["corrupt", str(recorded / "a.mkv"), "--out", str(tmp_path / name), *options]) == 0
    assert (tmp_path / "yaml" / "a.mkv").read_bytes() == (tmp_path / "words" / "a.mkv").read_bytes()


def test_recordings_are_named_by_their_path(recorded, tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name in ("in/a.mp4", "in/sub/a.wav", "in/-odd name.mkv", "in/notes.md"):
        (tmp_path / name).touch()
    assert sorted(clip.id for clip in recordings([tmp_path / "in"])) == ["a", "sub_a", "x-odd_name"]
    for paths, message in (
        ([tmp_path / "in" / "sub" / "b"], "no such file"),
        ([recorded / "a.mkv"] * 2, "two recordings"),
    ):
        with pytest.raises(VsrError, match=message):
            recordings(paths)
    (tmp_path / "empty").mkdir()
    with pytest.raises(VsrError, match="no videos"):
        recordings([tmp_path / "empty"])
