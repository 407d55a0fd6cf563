"""pysubs2, whose readers are independent, gets words, times and faces back from every subtitle format."""

import re

import pysubs2
import pytest
from hypothesis import given, settings

from tests.output.test_formats import spoken
from tests.test_subtitles import transcript_of
from vsr.output.cues import cues, face_name
from vsr.output.karaoke import to_ass
from vsr.output.subtitles import WRITERS
from vsr.output.transcript import Segment, TimedWord, Transcript
from vsr.output.unsure_words import readable

UNITS = {"srt": 0.001, "vtt": 0.001, "ttml": 0.001, "ass": 0.01, "ssa": 0.01, "mpl": 0.1}  # seconds
READERS = {"mpl": "mpl2", "sub": "microdvd"}


def read(name, text):
    return pysubs2.SSAFile.from_string(text, READERS.get(name, name))


def letters(text):
    """The spoken letters, without line and word breaks, with the markup characters restored."""
    text = re.sub(r"\s|\u2060", "", text)
    return text.translate(str.maketrans("()¦∖∕", "{}|\\/"))


@pytest.mark.parametrize("name", ["ssa", "sub", "mpl"])
@settings(deadline=None, max_examples=25)
@given(transcript=spoken())
def test_every_cue_is_read_with_its_words_and_times(name, transcript):
    unit = UNITS.get(name) or 1 / (transcript.fps or 25)
    events, expected = sorted(read(name, WRITERS[name](transcript)), key=lambda event: event.start), cues(transcript)
    assert len(events) == len(expected)
    starts = [cue.start for cue in expected]
    assert [event.start / 1000 for event in events] == pytest.approx(starts, abs=0.51 * unit + 1e-3)
    assert all(event.end > event.start for event in events)
    texts = [cue.lines if name == "ssa" else cue.named_lines for cue in expected]
    assert sorted(letters(event.plaintext) for event in events) == sorted(letters("".join(lines)) for lines in texts)


@pytest.mark.parametrize("name", ["srt", "vtt", "ttml", "ass", "ssa", "sub", "mpl"])
def test_times_of_one_cue_are_those_of_its_words(name):
    words = [TimedWord("bin", 61.52, 61.8, 0.9), TimedWord("blue", 62.0, 64.4, 0.9)]
    (event,) = read(name, WRITERS[name](transcript_of(words)))
    unit = UNITS.get(name, 0.04)
    assert event.start / 1000 == pytest.approx(61.52, abs=unit / 2 + 1e-6)
    assert event.end / 1000 == pytest.approx(64.4, abs=unit / 2 + 1e-6)
    assert re.sub(r"<[\d:.]+>", "", event.plaintext).split() == ["bin", "blue"]


@pytest.mark.parametrize("name", ["ass", "ssa", "sub", "mpl"])
def test_markup_characters_stay_readable(name):
    (event,) = read(name, WRITERS[name](transcript_of([TimedWord("/a{b}|c\\N", 0.0, 1.0, 0.9)])))
    text = event.text if name in ("ass", "ssa") else event.plaintext
    spoken_text = re.sub(r"\{\\k\d+\}|\\(?=[{}])", "", text)
    assert letters(spoken_text) == "/a{b}|c\\N"


def test_faces_have_styles_and_names_or_are_named_in_the_text():
    other = transcript_of([TimedWord("lay", 0.5, 1.5, 0.5)], face=1).segments
    transcript = transcript_of([TimedWord("bin", 0.0, 2.0, 0.5)], other_segments=other)
    ssa = read("ssa", WRITERS["ssa"](transcript))
    assert [(event.name, event.style, event.plaintext) for event in ssa] == [
        (face_name(0), face_name(0), "bin"), (face_name(1), face_name(1), "lay")
    ]  # fmt: skip
    karaoke = read("ass", to_ass(transcript))
    colours = [[file.styles[face_name(face)].primarycolor for face in (0, 1)] for file in (ssa, karaoke)]
    assert colours[0] == colours[1] and colours[0][0] != colours[0][1]
    for name in ("sub", "mpl"):
        assert [event.plaintext for event in read(name, WRITERS[name](transcript))] == ["Face 1: bin", "Face 2: lay"]


def test_frames_are_those_of_the_video():
    for fps in (25.0, 29.97):
        words = (TimedWord("bin", 100.0, 102.0, 0.9),)
        text = WRITERS["sub"](Transcript("a.mp4", fps, 200.0, "tiny", (Segment(100.0, 102.0, 0, 0.9, words, ()),)))
        first, cue = text.splitlines()
        assert first == f"{{1}}{{1}}{fps:g}" and cue == f"{{{round(100 * fps)}}}{{{round(102 * fps)}}}bin"


@pytest.mark.parametrize("name", ["ssa", "sub", "mpl"])
def test_unsure_words_are_marked(name):
    words = (TimedWord("bin", 0.0, 1.0, 0.9), TimedWord("blue", 1.0, 2.0, 0.1))
    transcript = Transcript("a.mp4", 25.0, 2.0, "tiny", (Segment(0.0, 2.0, 0, 0.5, words, (), in_domain=0.1),))
    (event,) = read(name, WRITERS[name](readable(transcript, name)))
    assert event.plaintext.split() == ["bin", "[...]"]
    (event,) = read(name, WRITERS[name](readable(transcript, name, "keep")))
    assert event.plaintext.split() == ["bin", "blue"]


def test_missing_pysubs2_is_named_in_one_line(monkeypatch):
    from vsr.core.errors import VsrError

    monkeypatch.setitem(__import__("sys").modules, "pysubs2", None)
    with pytest.raises(VsrError, match="needs the package pysubs2.*pip install pysubs2"):
        WRITERS["ssa"](transcript_of([]))
