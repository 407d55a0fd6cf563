"""Text of a voice: words outside the domain do not shape it by default, and every output is marked as synthetic."""

import json
from types import SimpleNamespace

import av
import numpy as np
import pytest

from lip2speech.cli import main
from lip2speech.inference.folder import load_model, save_part, save_voice
from lip2speech.inference.synthesis_options import SynthesisOptions
from lip2speech.inference.synthetic_marks import SYNTHETIC
from lip2speech.inference.text import (
    ReadText,
    Text,
    check_words,
    default_text_source,
    guess_warning,
    open_text,
    read_line,
    text_of,
    trusted_words,
)
from lip2speech.inference.voicing import voice_of
from lip2speech.inference.voicing_inputs import VoicingInputs
from lip2speech.inference.words_record import words_record
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.pull import SpokenWord
from tests.conftest import talking_face, write_video
from tests.lip2speech.tiny import tiny_codebook, tiny_vocoder, tiny_voice
from vsr.core.errors import VsrError
from vsr.media.audio import read_wave, riff_bytes
from vsr.modelstore.folder import SHIPPED
from vsr.output.transcript import Segment, TimedWord


def segment(in_domain, *words):
    timed = tuple(TimedWord(word, number, number + 0.5, confidence) for number, (word, confidence) in enumerate(words))
    return Segment(0.0, float(len(words)), 0, 0.5, timed, (), in_domain)


INSIDE, UNKNOWN = segment(0.9, ("bin", 0.9), ("red", 0.3)), segment(None, ("at", 0.8))
OUTSIDE, EMPTY = segment(0.1, ("now", 0.99), ("again", 0.2)), segment(0.1)


def test_words_outside_the_domain_shape_no_voice_by_default():
    segments = [INSIDE, OUTSIDE, UNKNOWN, EMPTY]
    assert [word.word for word in trusted_words(segments)] == ["bin", "red", "at"]
    assert [word.word for word in trusted_words(segments, everything=True)] == ["bin", "red", "now", "again", "at"]


def test_uncertain_words_are_marked_in_the_text():
    assert read_line([INSIDE, OUTSIDE, UNKNOWN]) == "bin red(?) now(?) again(?) at"


def test_only_words_outside_the_domain_are_warned_of():
    assert guess_warning([INSIDE, UNKNOWN, EMPTY], "grid") is None
    assert "do not shape" in guess_warning([INSIDE, OUTSIDE], "grid") and "--text read!" in guess_warning(
        [OUTSIDE], "grid"
    )
    assert "and shape the voice" in guess_warning([OUTSIDE], "grid", everything=True)


def test_speak_leaves_out_words_outside_the_domain_and_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("vsr.modelstore.folder.NAMES", {"grid": SHIPPED})  # slightly believes a word of these lips
    video, waves, outputs = write_video(tmp_path / "face.mp4", talking_face(36)), {}, {}
    for text in ("none", "read", "read!"):
        assert main(["speak", str(video), "-o", str(tmp_path / "voice.wav"), "--text", text]) == 0
        waves[text], outputs[text] = read_wave(tmp_path / "voice.wav"), capsys.readouterr()
    assert np.array_equal(waves["none"], waves["read"]) and not np.array_equal(waves["read"], waves["read!"])
    assert "guesses" not in outputs["none"].err and "do not shape the voice" in outputs["read"].err
    assert "and shape the voice" in outputs["read!"].err and outputs["read"].out.count("(?)") > 0


@pytest.mark.parametrize("suffix", [".wav", ".mp4", ".mkv", ".mov"])
def test_outputs_are_marked_as_synthetic(tiny_voice_folder, tmp_path, suffix):
    video, out = write_video(tmp_path / "face.mp4", talking_face(25)), tmp_path / f"voiced{suffix}"
    assert main(["speak", str(video), "-o", str(out), "--model", str(tiny_voice_folder)]) == 0
    with av.open(str(out)) as container:
        metadata = {name.lower(): value for name, value in container.metadata.items()}
    assert metadata["comment"] == SYNTHETIC
    with av.open(str(video)) as container:
        assert "comment" not in container.metadata


@pytest.mark.parametrize("comment", ["odd", "even", "ünïcode"])
def test_comment_changes_no_sample(tmp_path, comment):
    wave = np.linspace(-1, 1, 1001, dtype=np.float32)
    for name, text in (("plain", ""), ("tagged", comment)):
        (tmp_path / f"{name}.wav").write_bytes(riff_bytes(wave, text))
    plain, tagged = (read_wave(tmp_path / f"{name}.wav") for name in ("plain", "tagged"))
    assert np.array_equal(plain, tagged)
    with av.open(str(tmp_path / "tagged.wav")) as container:
        assert container.metadata["comment"] == comment


def test_record_has_uncertain_words_and_those_that_shape_the_voice():
    reader = SimpleNamespace(name="grid")
    text = ReadText.__new__(ReadText)
    text.reader, text.everything, text.segments = reader, False, [OUTSIDE, INSIDE]
    words = words_record(text, "clip.mp4", 2.0)["words"]
    flags = {entry["word"]: (entry["unsure"], entry["shapes_voice"]) for entry in words}
    assert flags == {"now": (True, False), "again": (True, False), "bin": (False, True), "red": (True, True)}
    text.everything = True
    record = words_record(text, "clip.mp4", 2.0)
    assert all(entry["shapes_voice"] for entry in record["words"]) and "shape the voice" in record["warning"]
    of_given_text = words_record(Text({1: [TimedWord("bin", 0.1, 0.25, 1.0)]}), "clip.mp4", 2.0)
    assert of_given_text["words"] == [
        {"face": 1, "word": "bin", "start": 0.1, "end": 0.25, "confidence": 1.0, "unsure": False, "shapes_voice": True}
    ]
    assert of_given_text["voice"] == SYNTHETIC and of_given_text["reader"] == of_given_text["warning"] == ""


def test_record_is_written_beside_the_voice_and_replaces_nothing(tiny_voice_folder, tmp_path, capsys):
    video, out, words_file = (
        write_video(tmp_path / "face.mp4", talking_face(25)),
        tmp_path / "v.wav",
        tmp_path / "w.json",
    )
    command = ["speak", str(video), "-o", str(out), "--model", str(tiny_voice_folder), "--words"]
    for taken in (video, out):
        assert main([*command, str(taken)]) == 1 and not out.exists()
    assert main([*command, str(words_file)]) == 0
    assert json.loads(words_file.read_text("utf-8"))["words"] == [] and out.exists()


WAYS = [(True, 4, "read"), (True, 0, "none"), (False, 4, "none")]


@pytest.mark.parametrize(("has_listener", "steps", "expected"), WAYS)
def test_text_is_read_by_default_if_the_voice_can_be_pulled(has_listener, steps, expected):
    """An explicit choice comes first."""
    loaded = SimpleNamespace(has_listener=has_listener, listener=None, reader=None)
    flow = FlowOptions(steps=steps)
    assert default_text_source(loaded, flow) == expected
    assert type(open_text(loaded, "none", flow, "clip.mp4")) is Text


WORDS = {"text": {"kind": "text", "words": ["bin", "blue"]}}


@pytest.fixture(scope="module")
def told_voice(tmp_path_factory):
    """A folder whose voice takes words as a condition of its flow, and has no listener."""
    folder = tmp_path_factory.mktemp("told")
    save_voice(folder / "acoustic", tiny_voice(conditions=WORDS), tiny_codebook())
    save_part(folder / "vocoder", tiny_vocoder())
    return load_model(folder)


def test_voice_that_words_condition_needs_no_listener(told_voice):
    assert text_of(told_voice, SynthesisOptions(text="manifest")) == "manifest"
    assert default_text_source(told_voice, FlowOptions()) == "none"  # no listener: not read unless asked for
    check_words(told_voice, "bin blue")
    with pytest.raises(VsrError, match="this voice does not know 'mumble'"):
        check_words(told_voice, "bin mumble")
    with pytest.raises(VsrError, match="no listener, which --pull needs"):
        text_of(told_voice, SynthesisOptions(FlowOptions(pull=1), text="manifest"))


def test_words_reach_a_voice_without_a_listener(told_voice):
    crop, speaker = np.full((12, 96, 96), 90, np.uint8), told_voice.voice.default_speaker[None]
    said = [VoicingInputs(FlowOptions(2), [SpokenWord(word, 0.0, 0.4)] if word else []) for word in ("", "bin", "blue")]
    silent, first, second = (voice_of(told_voice, crop, speaker, inputs) for inputs in said)
    assert not np.allclose(silent, first) and not np.allclose(first, second)
