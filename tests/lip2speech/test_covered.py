"""A covered mouth gets no words and no voice, and that is reported everywhere; so it is for lips at rest."""

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
    """The demo clip with a mask over its mouth."""
    frames = frames_of(DEMO)
    covered = cover(frames, piece_of(frames).points, **COVERS["black"])
    return write_video(tmp_path_factory.mktemp("masked") / "masked.mp4", covered)


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """A frame of the demo clip, moved about."""
    moved = carried(frames_of(DEMO)[30:31].repeat(75, 0), np.random.default_rng(1))
    return write_video(tmp_path_factory.mktemp("photograph") / "photograph.mp4", moved)


def transcribe_json(capsys, video, tiny_model):
    """Exit status, record and stderr of `vsr transcribe`."""
    status = main(["transcribe", str(video), "--model", str(tiny_model), "--format", "json", "--beam", "2"])
    output = capsys.readouterr()
    return status, json.loads(output.out), output.err


def test_masked_face_has_no_words_and_is_reported(masked, tiny_model, capsys):
    status, record, errors = transcribe_json(capsys, masked, tiny_model)
    assert status == 0 and record["text"] == "" and record["segments"] == []
    assert [(stretch["reason"], stretch["start"], stretch["end"]) for stretch in record["skipped"]] == [
        ("covered", 0.0, 3.0)
    ]
    (track,) = record["tracks"]
    assert track["problems"] == ["covered"] and track["quality"] == track["cropped"] == 0.0
    assert errors == f"vsr: {masked}: the mouth is covered: 0.00 to 3.00 s, and is not read there\n"


def test_photograph_is_at_rest(photograph, tiny_model, capsys):
    status, record, errors = transcribe_json(capsys, photograph, tiny_model)
    assert status == 0 and record["text"] == "" and record["segments"] == []
    assert errors == f"vsr: {photograph}: {AT_REST}\n"
    assert [stretch["reason"] for stretch in record["skipped"]] == ["rest"]


VERBS = {
    "align": (["--text", "a b"], 1), "encode": (["-o", "out"], 1), "find": ([], 0), "phrases": ([], 1),
    "phrases enrol": (["--folder", "own"], 1),
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_tells_a_mask_from_lips_at_rest(verb, masked, tiny_model, tmp_path, monkeypatch, capsys):
    """A user told "at rest" would look at another moment, and not at the hand over the mouth."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("a b\n")
    first = {"find": ["a"], "phrases": ["list.txt"], "phrases enrol": ["a b"]}.get(verb, [])
    options, status = VERBS[verb]
    assert main([*verb.split(), *first, str(masked), *options, "--model", str(tiny_model)]) == status
    output = capsys.readouterr()
    note = "the mouth is covered: 0.00 to 3.00 s, and no lips are seen to speak elsewhere"
    assert output.out == "" and output.err == f"vsr: {masked}: {note}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.txt"]


@pytest.fixture(scope="module")
def half_masked(tmp_path_factory):
    """The clip, followed by the clip with a mask."""
    frames = frames_of(DEMO)
    covered = cover(frames, piece_of(frames).points, **COVERS["black"])
    return write_video(tmp_path_factory.mktemp("half") / "half.mp4", np.concatenate([frames, covered]))


@pytest.mark.parametrize("verb", ["align", "encode", "find", "phrases"])
def test_every_verb_reports_a_mouth_covered_for_a_while(verb, half_masked, tiny_model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text("a b\n")
    first = {"find": ["a"], "phrases": ["list.txt"]}.get(verb, [])
    assert main([verb, *first, str(half_masked), *VERBS[verb][0], "--model", str(tiny_model)]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "covered" in line]
    assert line.startswith(f"vsr: {half_masked}: the mouth is covered: ") and line.endswith("and is not read there")


def test_masked_face_and_photograph_have_no_voice(masked, photograph, tiny_voice_folder, tmp_path, capsys):
    covered = "the mouth is covered: 0.00 to 3.00 s, and has no voice there"
    for video, note in ((masked, covered), (photograph, f"{AT_REST}: the sound is silent")):
        command = ["speak", str(video), "-o", str(tmp_path / "out.wav"), "--model", str(tiny_voice_folder)]
        assert speak_main(command) == 0
        output = capsys.readouterr()
        assert output.out.endswith("0.00 s of speech\n")
        assert output.err == f"lip2speech: {video}: {note}\n"
        spoken = speak_clip(load_voice(tiny_voice_folder), crop_video(video))  # as the page does
        assert not spoken.wave.any() and (spoken.seconds, spoken.faces) == (0.0, ())


@pytest.mark.parametrize("kind", ["masked", "photograph"])
def test_live_captions_of_lips_that_do_not_speak_are_empty(kind, tiny_model, request):
    session = Session(load_model(tiny_model), default_detector())
    frames = frames_of(request.getfixturevalue(kind))
    images = [CapturedFrame(frame, index / 25, time.monotonic()) for index, frame in enumerate(frames)]
    assert not [word for caption in session.run(iter(images)) for word in (*caption.standing, *caption.loose)]
    assert session.covered == pytest.approx(3.0 if kind == "masked" else 0.0, abs=1.0)
    assert notes_of(session) == [
        AT_REST if kind == "photograph" else "the mouth was covered for 3 s and not read there"
    ]


def test_live_captions_without_a_face_say_so(tiny_model):
    session = Session(load_model(tiny_model), default_detector())
    images = [CapturedFrame(np.zeros((96, 96, 3), np.uint8), index / 25, time.monotonic()) for index in range(30)]
    assert not list(session.run(iter(images))) and notes_of(session) == [NO_FACE]


def test_inspection_of_a_masked_face_has_no_words(masked, tiny_model):
    inspection = inspect_video(load_model(tiny_model), masked)
    assert inspection.words == () and [hypothesis.text for hypothesis in inspection.nbest] == [""]
    assert inspection.facts["Video"]["not read"] == "0.00 to 3.00 s (covered)"


def test_note_names_few_stretches():
    stretches = [Skipped(0, float(k), k + 0.5, "covered") for k in range(5)] + [Skipped(0, 9.0, 12.0, "rest")]
    note = "the mouth is covered: 0.00 to 0.50 s, 1.00 to 1.50 s, 2.00 to 2.50 s and 2 more times"
    assert covered_note(stretches) == note and covered_note(stretches[5:]) is None
    assert rest_note(stretches) is None and "at rest" in rest_note(stretches[5:])
    assert rest_note([*stretches[5:], Skipped(1, 0.0, 1.0, "not chosen")]) and rest_note([]) is None
