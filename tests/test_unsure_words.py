"""Guesses are told as guesses: warnings, marks in subtitles, and everything in JSON."""

import json
import shutil

import pytest

from vsr.cli import main
from vsr.core.files import read_json, write_json
from vsr.output.subtitles import to_srt
from vsr.output.transcript import Alternative, Segment, TimedWord, Transcript
from vsr.output.unsure_words import MARK, readable, unreadable_share


def transcript(chance, *confidences):
    words = tuple(TimedWord(f"w{k}", k, k + 1.0, p) for k, p in enumerate(confidences))
    text = " ".join(word.word for word in words)
    segment = Segment(0.0, float(len(words)), 0, 0.5, words, (Alternative(text, 0.0),), chance)
    return Transcript("a.mp4", 25.0, 9.0, "m", (segment,))


@pytest.mark.parametrize("name", ["json", "tsv"])
@pytest.mark.parametrize("mode", [None, "mark", "drop", "keep"])
def test_programs_get_every_word(name, mode):
    made = transcript(0.1, 0.9, 0.1)
    assert readable(made, name, mode) == made


def test_words_that_are_not_to_be_believed_are_marked_or_dropped():
    made = transcript(0.9, 0.9, 0.1, 0.2, 0.8, 0.3)
    assert readable(made, "txt", "mark").text == f"w0 {MARK} w3 {MARK}"
    assert readable(made, "txt", "drop").text == "w0 w3"
    assert readable(made, "txt", "keep") == made
    marked = readable(made, "srt", "mark").segments[0].words[1]
    assert (marked.start, marked.end, marked.confidence) == (1.0, 3.0, 0.1)
    assert unreadable_share(made) == pytest.approx(3 / 5)


def test_texts_and_subtitles_of_guesses_are_marked_unasked_and_others_are_left():
    guessed, read = transcript(0.1, 0.9, 0.1), transcript(0.9, 0.9, 0.1)
    assert MARK in to_srt(readable(guessed, "srt")) and "w1" not in to_srt(readable(guessed, "srt"))
    assert readable(read, "srt") == read and readable(read, "txt") == read
    assert readable(guessed, "txt").text == f"w0 {MARK}"
    assert readable(transcript(None, 0.1), "srt") == transcript(None, 0.1), "a model that cannot tell"


def test_a_transcript_warns_of_guesses_alone():
    assert transcript(0.9, 0.9).warnings == [] == transcript(None, 0.9).warnings == transcript(0.1).warnings
    (warning,) = transcript(0.1, 0.9).warnings
    assert warning["reason"] == "outside_domain" and warning["message"].startswith("100 % of what was read")
    printed = transcript(0.1, 0.9).to_json()
    assert printed["warnings"] == [warning] and printed["segments"][0]["in_domain"] == 0.1


@pytest.fixture
def doubtful(tiny_model, tmp_path):
    """A model that takes all that it reads for guesses."""
    folder = shutil.copytree(tiny_model, tmp_path / "doubtful")
    never = {"mean": [0.0] * 4, "std": [1.0] * 4, "weights": [0.0] * 4, "bias": -9.0}
    write_json(folder / "config.json", read_json(folder / "config.json") | {"domain": never})
    return folder


def test_the_command_warns_in_one_line_and_exits_as_before(doubtful, tiny_model, face_clip, capsys):
    assert main(["transcribe", str(face_clip), "--model", str(doubtful), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    made = json.loads(out)
    if made["text"]:
        assert "those words are guesses" in err and made["warnings"][0]["reason"] == "outside_domain"
    assert all(segment["in_domain"] < 0.01 for segment in made["segments"])
    assert main(["transcribe", str(face_clip), "--model", str(tiny_model), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert "guesses" not in err and all(own["in_domain"] is None for own in json.loads(out)["segments"])
