"""Low frame rates, of the file or by repeated frames, are found and reported, and confidence is limited."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import write_video
from tests.video.test_stretches import DEMO, frames_of
from vsr.cli import main
from vsr.decoding.defaults import options_for
from vsr.decoding.domain import limited_probability
from vsr.face.detector import default_detector
from vsr.face.frame_rate import FEW, domain_limit, frame_rate, mouth_changes
from vsr.face.mouth_crop import crop_video
from vsr.inference.live.capture import CapturedFrame
from vsr.inference.live.notes import notes_of
from vsr.inference.live.screen import Screen
from vsr.inference.live.session import Caption, Session
from vsr.modelstore.folder import load_model
from vsr.output.transcript import TimedWord
from vsr.report.collect import inspect_video


def with_repeats(images, rate):
    """Images (T, ...) of 25 a second, with repeats so that only ``rate`` a second differ."""
    shown = (np.arange(len(images)) * rate / 25 + 1e-6).astype(int)
    return images[np.minimum((shown * 25 / rate + 0.5).astype(int), len(images) - 1)]


@pytest.fixture(scope="module")
def crop():
    return crop_video(DEMO).crop


@pytest.mark.parametrize("rate", [5, 6, 8, 10])
def test_low_rate_is_found(crop, rate):
    assert (
        rate - 2.5 <= frame_rate(with_repeats(crop, rate)) <= rate + 0.5
    )  # lips rest from frame to frame now and then
    shaky = np.stack([np.roll(image, k // 6, axis=1) for k, image in enumerate(with_repeats(crop, rate))])
    assert frame_rate(shaky) < FEW  # a turning head moves the crop during repeats, too


def test_mouth_at_25_frames_a_second_has_enough_frames(crop):
    assert frame_rate(crop) >= FEW and frame_rate(crop, [(0, 40), (40, 80)]) >= FEW


def test_rate_without_any_change_is_25(crop):
    assert frame_rate(crop[:1]) == frame_rate(crop[:1].repeat(30, 0)) == frame_rate(crop, []) == 25
    assert mouth_changes(crop[:1]).shape == (1,)


def test_long_crops_are_compared_in_overlapping_parts(crop, monkeypatch):
    whole = mouth_changes(crop)
    monkeypatch.setattr("vsr.face.frame_rate.AT_ONCE", 7)
    np.testing.assert_allclose(mouth_changes(crop), whole, atol=1e-4)


def test_highest_probability_follows_the_rate():
    assert domain_limit(25) == 1 and domain_limit(6) < 0.5 < domain_limit(8)
    assert limited_probability(0.9, domain_limit(5)) == pytest.approx(1 / 3) and limited_probability(0.2, 1.0) == 0.2
    assert (
        limited_probability(None, 0.6) is None and limited_probability(None, 0.4) == 0.4
    )  # a model without a fitted domain


@pytest.fixture(scope="module")
def low_rate_clips(tmp_path_factory):
    """Clips of 5 frames a second: by the file's own rate, and with repeated frames at 25."""
    folder, frames = tmp_path_factory.mktemp("five"), frames_of(DEMO)
    return {
        "low": write_video(folder / "low.mp4", frames[2::5], fps=5),
        "repeats": write_video(folder / "repeats.mp4", with_repeats(frames, 5)),
    }


@pytest.mark.parametrize("kind", ["low", "repeats"])
def test_words_of_few_frames_are_unsure_and_warned_of(low_rate_clips, kind, tiny_model, capsys):
    assert (
        main(["transcribe", str(low_rate_clips[kind]), "--model", str(tiny_model), "--format", "json", "--beam", "2"])
        == 0
    )
    output = capsys.readouterr()
    record = json.loads(output.out)
    assert "few frames" in record["tracks"][0]["problems"] and record["tracks"][0]["quality"] < 0.5
    assert [entry["reason"] for entry in record["warnings"]] == ["few_frames", "outside_domain"]
    assert "fewer than 11 times a second" in output.err
    assert all(entry["in_domain"] < 0.5 for entry in record["segments"])
    assert all(word["confidence"] <= 0.9 for entry in record["segments"] for word in entry["words"])


def test_demo_clip_has_no_warning(tiny_model, capsys):
    assert main(["transcribe", str(DEMO), "--model", str(tiny_model), "--format", "json", "--beam", "2"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["warnings"] == [] and record["segments"][0]["in_domain"] is None


VERBS = {
    "align": ["align", "{clip}", "--text", "a b"], "encode": ["encode", "{clip}", "-o", "out"],
    "find": ["find", "a", "{clip}"], "phrases": ["phrases", "list.txt", "{clip}"],
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_warns_of_few_frames(verb, low_rate_clips, tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("a b\n")
    arguments = [word.format(clip=low_rate_clips["low"]) for word in VERBS[verb]]
    assert main([*arguments, "--model", str(tiny_model)]) == 0
    output = capsys.readouterr()
    assert sum("fewer than 11 times a second" in line for line in output.err.splitlines()) == 1
    assert verb != "phrases" or "(none of these)" in output.out


def test_video_of_the_mouth_only_is_warned_of(crop, tiny_model, tmp_path, capsys):
    images = np.repeat(with_repeats(crop, 5)[..., None], 3, axis=-1)
    video = write_video(tmp_path / "mouth.mkv", images, codec="ffv1", pixel_format="bgr0")
    arguments = ["transcribe", str(video), "--cropped", "--model", str(tiny_model), "--format", "json", "--beam", "2"]
    assert main(arguments) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["warnings"][0]["reason"] == "few_frames" and record["tracks"][0]["problems"] == ["few frames"]


def test_live_captions_mark_and_count_unsure_words(tmp_path, capsys):
    words = (TimedWord("blue", 0.0, 1.0, 0.9), TimedWord("two", 1.0, 2.0, 0.3))
    screen = Screen("0", "grid", str(tmp_path / "said.srt"))
    screen.show([Caption(words, (), True, 0, in_domain=0.2), Caption(words, (), True, 0, in_domain=0.9)])
    assert capsys.readouterr().out == "    0.00  blue [...]\n    0.00  blue two\n"
    assert "blue [...] blue two" in (tmp_path / "said.srt").read_text()
    summary = screen.summary(0, ["the mouth was covered for 3 s"])
    assert "the mouth was covered for 3 s" in summary
    assert "1 of 2 utterances look unlike what the model grid was trained on" in summary


@pytest.mark.parametrize("rate, seconds", [(5, 3.0), (25, 0.0)])
def test_captions_of_a_slow_camera_count_its_seconds(rate, seconds, tiny_model):
    session = Session(load_model(tiny_model), default_detector())
    images = [
        CapturedFrame(frame, index / 25, time.monotonic())
        for index, frame in enumerate(with_repeats(frames_of(DEMO), rate))
    ]
    finals = [caption for caption in session.run(iter(images)) if caption.final]
    assert session.few_frames == pytest.approx(seconds, abs=0.8) and session.read
    warning = "for 3 s of speech the picture changes fewer than 11 times a second"
    assert [note.startswith(warning) for note in notes_of(session)] == [True] * (rate == 5)
    assert all((caption.in_domain is not None) == (rate == 5) for caption in finals)


def test_page_of_inspect_reports_few_frames(low_rate_clips, tiny_model):
    loaded = load_model(tiny_model)
    inspection = inspect_video(loaded, low_rate_clips["repeats"], options_for(loaded, {"nbest": 2, "beam": 2}))
    assert inspection.facts["Video"]["few frames"].startswith("the mouth changes ")
    assert all(word.confidence <= 0.9 for word in inspection.words)
    assert "few frames" not in inspect_video(loaded, DEMO, options_for(loaded, {"nbest": 2, "beam": 2})).facts["Video"]
