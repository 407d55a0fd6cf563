"""Words outside the model's domain are warned of, marked in subtitles, and complete in JSON."""

import json
import shutil

import pytest

from vsr.cli import main
from vsr.core.files import read_json, write_json
from vsr.output.subtitles import to_srt
from vsr.output.transcript import Alternative, Segment, TimedWord, Transcript
from vsr.output.unsure_words import MARK, readable, unreadable_share


def transcript(in_domain, *confidences):
    words = tuple(TimedWord(f"w{k}", k, k + 1.0, p) for k, p in enumerate(confidences))
    text = " ".join(word.word for word in words)
    segment = Segment(0.0, float(len(words)), 0, 0.5, words, (Alternative(text, 0.0),), in_domain)
    return Transcript("a.mp4", 25.0, 9.0, "m", (segment,))


@pytest.mark.parametrize("name", ["json", "tsv"])
@pytest.mark.parametrize("mode", [None, "mark", "drop", "keep"])
def test_json_and_tsv_have_every_word(name, mode):
    original = transcript(0.1, 0.9, 0.1)
    assert readable(original, name, mode) == original


def test_unreliable_words_are_marked_or_dropped():
    original = transcript(0.9, 0.9, 0.1, 0.2, 0.8, 0.3)
    assert readable(original, "txt", "mark").text == f"w0 {MARK} w3 {MARK}"
    assert readable(original, "txt", "drop").text == "w0 w3"
    assert readable(original, "txt", "keep") == original
    marked = readable(original, "srt", "mark").segments[0].words[1]
    assert (marked.start, marked.end, marked.confidence) == (1.0, 3.0, 0.1)
    assert unreadable_share(original) == pytest.approx(3 / 5)


def test_subtitles_are_marked_by_default_only_outside_the_domain():
    outside, inside = transcript(0.1, 0.9, 0.1), transcript(0.9, 0.9, 0.1)
    assert MARK in to_srt(readable(outside, "srt")) and "w1" not in to_srt(readable(outside, "srt"))
    assert readable(inside, "srt") == inside and readable(inside, "txt") == inside
    assert readable(outside, "txt").text == f"w0 {MARK}"
    assert readable(transcript(None, 0.1), "srt") == transcript(None, 0.1), "a model that cannot tell"


def test_only_transcript_outside_the_domain_has_a_warning():
    assert transcript(0.9, 0.9).warnings == [] == transcript(None, 0.9).warnings == transcript(0.1).warnings
    (warning,) = transcript(0.1, 0.9).warnings
    assert warning["reason"] == "outside_domain" and warning["message"].startswith("100 % of what was read")
    record = transcript(0.1, 0.9).to_json()
    assert record["warnings"] == [warning] and record["segments"][0]["in_domain"] == 0.1


def test_share_of_guesses_is_not_rounded_to_nothing():
    word, long = TimedWord("one", 0.0, 0.1, 0.9), TimedWord("two", 1.0, 60.0, 0.9)
    segments = (Segment(0.0, 0.1, 0, 0.9, (word,), (), in_domain=0.1), Segment(1.0, 60.0, 0, 0.9, (long,), ()))
    (warning,) = Transcript("a.mp4", 25.0, 60.0, "m", segments).warnings
    assert warning["message"].startswith("less than 1 % of what was read")


@pytest.fixture
def out_of_domain_model(tiny_model, tmp_path):
    """A model whose domain contains nothing that it reads."""
    folder = shutil.copytree(tiny_model, tmp_path / "doubtful")
    domain = {"mean": [0.0] * 4, "std": [1.0] * 4, "weights": [0.0] * 4, "bias": -9.0}
    write_json(folder / "config.json", read_json(folder / "config.json") | {"domain": domain})
    return folder


def test_command_warns_in_one_line_and_status_is_unchanged(out_of_domain_model, tiny_model, face_clip, capsys):
    assert main(["transcribe", str(face_clip), "--model", str(out_of_domain_model), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    record = json.loads(out)
    if record["text"]:
        assert "those words are guesses" in err and record["warnings"][0]["reason"] == "outside_domain"
    assert all(segment["in_domain"] < 0.01 for segment in record["segments"])
    assert main(["transcribe", str(face_clip), "--model", str(tiny_model), "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert "guesses" not in err and all(part["in_domain"] is None for part in json.loads(out)["segments"])
