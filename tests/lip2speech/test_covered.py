"""A mask gets no words and no voice, wherever it is read, and people are told; nor does a face at rest on the page."""

import json
import time

import numpy as np
import pytest

from lip2speech.cli import main as speak_main
from lip2speech.inference.dubbing import speak_clip
from lip2speech.inference.folder import load_model as load_voice
from tests.conftest import write_video
from tests.video.test_stretches import COVERS, DEMO, carried, cover, frames_of, piece_of
from vsr.cli import main
from vsr.face.detector import default_detector
from vsr.face.mouth_crop import crop_video
from vsr.face.skipped import Skipped
from vsr.inference.live.capture import CapturedFrame
from vsr.inference.live.notes import NO_FACE, notes_of
from vsr.inference.live.session import Session
from vsr.modelstore.folder import load_model
from vsr.output.mouth_warnings import covered_note, rest_note
from vsr.report.collect import inspect_video

AT_REST = "the lips are at rest from beginning to end, so that nothing is said"


@pytest.fixture(scope="module")
def masked(tmp_path_factory):
    """The clip that ships with the project, a mask before its mouth."""
    frames = frames_of(DEMO)
    spoilt = cover(frames, piece_of(frames).points, **COVERS["black"])
    return write_video(tmp_path_factory.mktemp("masked") / "masked.mp4", spoilt)


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """A frame of it, carried about."""
    spoilt = carried(frames_of(DEMO)[30:31].repeat(75, 0), np.random.default_rng(1))
    return write_video(tmp_path_factory.mktemp("photograph") / "photograph.mp4", spoilt)


def read(capsys, video, tiny_model):
    """Exit status, record and complaints of `vsr transcribe`."""
    status = main(["transcribe", str(video), "--model", str(tiny_model), "--format", "json", "--beam", "2"])
    printed = capsys.readouterr()
    return status, json.loads(printed.out), printed.err


def test_a_mask_has_no_words_and_is_told(masked, tiny_model, capsys):
    status, record, printed = read(capsys, masked, tiny_model)
    assert status == 0 and record["text"] == "" and record["segments"] == []
    assert [(each["reason"], each["start"], each["end"]) for each in record["skipped"]] == [("covered", 0.0, 3.0)]
    (track,) = record["tracks"]
    assert track["problems"] == ["covered"] and track["quality"] == track["cropped"] == 0.0
    assert printed == f"vsr: {masked}: the mouth is covered: 0.00 to 3.00 s, and is not read there\n"


def test_a_photograph_rests(photograph, tiny_model, capsys):
    status, record, printed = read(capsys, photograph, tiny_model)
    assert status == 0 and record["text"] == "" and record["segments"] == []
    assert printed == f"vsr: {photograph}: {AT_REST}\n"
    assert [each["reason"] for each in record["skipped"]] == ["rest"]


VERBS = {
    "align": (["--text", "a b"], 1), "encode": (["-o", "out"], 1), "find": ([], 0), "phrases": ([], 1),
    "phrases enrol": (["--folder", "own"], 1),
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_a_mask_is_told_from_lips_at_rest_by_every_verb(verb, masked, tiny_model, tmp_path, monkeypatch, capsys):
    """Somebody who sees "at rest" would look for another moment, and not for the hand before the mouth."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("a b\n")
    first = {"find": ["a"], "phrases": ["list.txt"], "phrases enrol": ["a b"]}.get(verb, [])
    more, status = VERBS[verb]
    assert main([*verb.split(), *first, str(masked), *more, "--model", str(tiny_model)]) == status
    printed = capsys.readouterr()
    note = "the mouth is covered: 0.00 to 3.00 s, and no lips are seen to speak elsewhere"
    assert printed.out == "" and printed.err == f"vsr: {masked}: {note}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.txt"]


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """The clip, and the clip with a mask, one behind the other."""
    frames = frames_of(DEMO)
    spoilt = cover(frames, piece_of(frames).points, **COVERS["black"])
    return write_video(tmp_path_factory.mktemp("half") / "half.mp4", np.concatenate([frames, spoilt]))


@pytest.mark.parametrize("verb", ["align", "encode", "find", "phrases"])
def test_a_mouth_that_is_covered_for_a_while_is_told_by_every_verb(
    verb, half, tiny_model, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("a b\n")
    first = {"find": ["a"], "phrases": ["list.txt"]}.get(verb, [])
    assert main([verb, *first, str(half), *VERBS[verb][0], "--model", str(tiny_model)]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "covered" in line]
    assert line.startswith(f"vsr: {half}: the mouth is covered: ") and line.endswith("and is not read there")


def test_a_mask_and_a_photograph_have_no_voice(masked, photograph, tiny_voice_folder, tmp_path, capsys):
    covered = "the mouth is covered: 0.00 to 3.00 s, and has no voice there"
    for video, note in ((masked, covered), (photograph, f"{AT_REST}: the sound is silent")):
        words = ["speak", str(video), "-o", str(tmp_path / "out.wav"), "--model", str(tiny_voice_folder)]
        assert speak_main(words) == 0
        printed = capsys.readouterr()
        assert printed.out.endswith("0.00 s of speech\n")
        assert printed.err == f"lip2speech: {video}: {note}\n"
        spoken = speak_clip(load_voice(tiny_voice_folder), crop_video(video))  # as the page does
        assert not spoken.wave.any() and (spoken.seconds, spoken.faces) == (0.0, ())


@pytest.mark.parametrize("kind", ["masked", "photograph"])
def test_live_captions_of_what_does_not_speak_are_empty(kind, tiny_model, request):
    session = Session(load_model(tiny_model), default_detector())
    frames = frames_of(request.getfixturevalue(kind))
    images = [CapturedFrame(frame, index / 25, time.monotonic()) for index, frame in enumerate(frames)]
    assert not [word for caption in session.run(iter(images)) for word in (*caption.standing, *caption.loose)]
    assert session.covered == pytest.approx(3.0 if kind == "masked" else 0.0, abs=1.0)
    assert notes_of(session) == [
        AT_REST if kind == "photograph" else "the mouth was covered for 3 s and not read there"
    ]


def test_live_captions_of_nobody_say_so(tiny_model):
    session = Session(load_model(tiny_model), default_detector())
    images = [CapturedFrame(np.zeros((96, 96, 3), np.uint8), index / 25, time.monotonic()) for index in range(30)]
    assert not list(session.run(iter(images))) and notes_of(session) == [NO_FACE]


def test_a_mask_is_shown_without_words(masked, tiny_model):
    found = inspect_video(load_model(tiny_model), masked)
    assert found.words == () and [each.text for each in found.nbest] == [""]
    assert found.facts["Video"]["not read"] == "0.00 to 3.00 s (covered)"


def test_the_note_is_short():
    stretches = [Skipped(0, float(k), k + 0.5, "covered") for k in range(5)] + [Skipped(0, 9.0, 12.0, "rest")]
    note = "the mouth is covered: 0.00 to 0.50 s, 1.00 to 1.50 s, 2.00 to 2.50 s and 2 more times"
    assert covered_note(stretches) == note and covered_note(stretches[5:]) is None
    assert rest_note(stretches) is None and "at rest" in rest_note(stretches[5:])
    assert rest_note([*stretches[5:], Skipped(1, 0.0, 1.0, "not chosen")]) and rest_note([]) is None
