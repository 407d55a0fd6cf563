"""Few frames a second, by the file or by frames that repeat: the rate is found and told, and words are unsure."""

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


def held(images, rate):
    """Images (T, ...) of 25 a second as so many a second show them, repeated."""
    shown = (np.arange(len(images)) * rate / 25 + 1e-6).astype(int)
    return images[np.minimum((shown * 25 / rate + 0.5).astype(int), len(images) - 1)]


@pytest.fixture(scope="module")
def crop():
    return crop_video(DEMO).crop


@pytest.mark.parametrize("rate", [5, 6, 8, 10])
def test_a_low_rate_is_found(crop, rate):
    assert rate - 2.5 <= frame_rate(held(crop, rate)) <= rate + 0.5  # now and then lips rest from frame to frame
    shaken = np.stack([np.roll(image, k // 6, axis=1) for k, image in enumerate(held(crop, rate))])
    assert frame_rate(shaken) < FEW  # a head that turns moves the crop over repeats, too


def test_a_mouth_that_is_filmed_as_usual_has_enough(crop):
    assert frame_rate(crop) >= FEW and frame_rate(crop, [(0, 40), (40, 80)]) >= FEW


def test_of_what_never_changes_nothing_is_known(crop):
    assert frame_rate(crop[:1]) == frame_rate(crop[:1].repeat(30, 0)) == frame_rate(crop, []) == 25
    assert mouth_changes(crop[:1]).shape == (1,)


def test_long_crops_are_compared_in_parts_that_touch(crop, monkeypatch):
    whole = mouth_changes(crop)
    monkeypatch.setattr("vsr.face.frame_rate.AT_ONCE", 7)
    np.testing.assert_allclose(mouth_changes(crop), whole, atol=1e-4)


def test_chances_follow_the_rate():
    assert domain_limit(25) == 1 and domain_limit(6) < 0.5 < domain_limit(8)
    assert limited_probability(0.9, domain_limit(5)) == pytest.approx(1 / 3) and limited_probability(0.2, 1.0) == 0.2
    assert (
        limited_probability(None, 0.6) is None and limited_probability(None, 0.4) == 0.4
    )  # a model that was not fitted


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """Clips of 5 frames a second: one that says so, and one of 25 whose frames repeat."""
    folder, frames = tmp_path_factory.mktemp("five"), frames_of(DEMO)
    return {
        "low": write_video(folder / "low.mp4", frames[2::5], fps=5),
        "repeats": write_video(folder / "repeats.mp4", held(frames, 5)),
    }


@pytest.mark.parametrize("kind", ["low", "repeats"])
def test_words_of_few_frames_are_guesses_and_told(five, kind, tiny_model, capsys):
    assert main(["transcribe", str(five[kind]), "--model", str(tiny_model), "--format", "json", "--beam", "2"]) == 0
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert "few frames" in record["tracks"][0]["problems"] and record["tracks"][0]["quality"] < 0.5
    assert [own["reason"] for own in record["warnings"]] == ["few_frames", "outside_domain"]
    assert "fewer than 11 times a second" in printed.err
    assert all(own["in_domain"] < 0.5 for own in record["segments"])
    assert all(word["confidence"] <= 0.9 for own in record["segments"] for word in own["words"])


def test_the_clip_itself_has_no_such_warning(tiny_model, capsys):
    assert main(["transcribe", str(DEMO), "--model", str(tiny_model), "--format", "json", "--beam", "2"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["warnings"] == [] and record["segments"][0]["in_domain"] is None


VERBS = {
    "align": ["align", "{clip}", "--text", "a b"], "encode": ["encode", "{clip}", "-o", "out"],
    "find": ["find", "a", "{clip}"], "phrases": ["phrases", "list.txt", "{clip}"],
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_tells_it(verb, five, tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_text("a b\n")
    words = [word.format(clip=five["low"]) for word in VERBS[verb]]
    assert main([*words, "--model", str(tiny_model)]) == 0
    printed = capsys.readouterr()
    assert sum("fewer than 11 times a second" in line for line in printed.err.splitlines()) == 1
    assert verb != "phrases" or "(none of these)" in printed.out


def test_a_video_of_a_mouth_alone_is_told_too(crop, tiny_model, tmp_path, capsys):
    images = np.repeat(held(crop, 5)[..., None], 3, axis=-1)
    video = write_video(tmp_path / "mouth.mkv", images, codec="ffv1", pixel_format="bgr0")
    words = ["transcribe", str(video), "--cropped", "--model", str(tiny_model), "--format", "json", "--beam", "2"]
    assert main(words) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["warnings"][0]["reason"] == "few_frames" and record["tracks"][0]["problems"] == ["few frames"]


def test_live_captions_mark_guesses_in_text_and_file_and_tell_them(tmp_path, capsys):
    words = (TimedWord("blue", 0.0, 1.0, 0.9), TimedWord("two", 1.0, 2.0, 0.3))
    screen = Screen("0", "grid", str(tmp_path / "said.srt"))
    screen.show([Caption(words, (), True, 0, in_domain=0.2), Caption(words, (), True, 0, in_domain=0.9)])
    assert capsys.readouterr().out == "    0.00  blue [...]\n    0.00  blue two\n"
    assert "blue [...] blue two" in (tmp_path / "said.srt").read_text()
    said = screen.summary(0, ["the mouth was covered for 3 s"])
    assert "the mouth was covered for 3 s" in said
    assert "1 of 2 utterances look unlike what the model grid was trained on" in said


@pytest.mark.parametrize("rate, seconds", [(5, 3.0), (25, 0.0)])
def test_captions_of_a_slow_camera_count_their_seconds(rate, seconds, tiny_model):
    session = Session(load_model(tiny_model), default_detector())
    images = [
        CapturedFrame(frame, index / 25, time.monotonic()) for index, frame in enumerate(held(frames_of(DEMO), rate))
    ]
    finals = [caption for caption in session.run(iter(images)) if caption.final]
    assert session.few_frames == pytest.approx(seconds, abs=0.8) and session.read
    told = "for 3 s of speech the picture changes fewer than 11 times a second"
    assert [note.startswith(told) for note in notes_of(session)] == [True] * (rate == 5)
    assert all((caption.in_domain is not None) == (rate == 5) for caption in finals)


def test_the_page_says_so_too(five, tiny_model):
    loaded = load_model(tiny_model)
    found = inspect_video(loaded, five["repeats"], options_for(loaded, {"nbest": 2, "beam": 2}))
    assert found.facts["Video"]["few frames"].startswith("the mouth changes ")
    assert all(word.confidence <= 0.9 for word in found.words)
    assert "few frames" not in inspect_video(loaded, DEMO, options_for(loaded, {"nbest": 2, "beam": 2})).facts["Video"]
