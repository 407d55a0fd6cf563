"""Subtitles keep the layout limits for any transcript, and independent readers get every word back."""

import html
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.output import subtitles
from vsr.output.cues import cues
from vsr.output.transcript import Alternative, Segment, TimedWord, Transcript

TIME = re.compile(r"(\d\d):(\d\d):(\d\d)[,.](\d\d\d)")


def transcript_of(words, face=0, other_segments=()):
    words = tuple(words)
    start, end = (words[0].start, words[-1].end) if words else (0.0, 1.0)
    text = " ".join(word.word for word in words)
    segment = Segment(start, end, face, 0.5, words, (Alternative(text, -1.0),))
    return Transcript("clip.mp4", 25.0, end, "tiny", (segment, *other_segments))


def seconds(text):
    hours, minutes, full_seconds, thousandths = map(int, TIME.fullmatch(text).groups())
    return hours * 3600 + minutes * 60 + full_seconds + thousandths / 1000


def read_srt(text):
    """A reader of SubRip, independent of the writer: [(start, end, lines)]."""
    blocks = [block.splitlines() for block in text.strip().split("\n\n")] if text.strip() else []
    assert [block[0] for block in blocks] == [str(number + 1) for number in range(len(blocks))]
    return [(*map(seconds, block[1].split(" --> ")), block[2:]) for block in blocks]


@st.composite
def spoken_words(draw):
    time, words = draw(st.floats(0, 4000)), []
    for text in draw(st.lists(st.text("abc'&<>-", min_size=1, max_size=100), max_size=40)):
        start = time + draw(st.floats(0, 3))
        time = start + draw(st.floats(0, 9))
        words.append(TimedWord(text, start, time, 0.5))
    return words


@settings(deadline=None, max_examples=60)
@given(spoken_words())
def test_cues_keep_every_character_and_the_layout_limits(words):
    transcript = transcript_of(words)
    shown = read_srt(subtitles.to_srt(transcript))
    spoken = "".join(word.word for word in words)
    assert "".join("".join(lines) for _, _, lines in shown).replace(" ", "") == spoken
    for start, end, lines in shown:
        assert 1 <= len(lines) <= 2 and all(len(line) <= 42 for line in lines)
        assert 0 < end - start <= 7.0 + 1e-6
    ordered = cues(transcript)
    for cue, following in zip(ordered, ordered[1:], strict=False):
        assert cue.end <= following.start or cue.end - cue.start <= 0.0011
        assert cue.end - cue.start >= min(5 / 6, following.start - cue.start) - 1e-6


@settings(deadline=None, max_examples=40)
@given(spoken_words())
def test_vtt_word_times_increase_inside_their_cue(words):
    blocks = subtitles.to_vtt(transcript_of(words)).split("\n\n")
    assert blocks[0].strip() == "WEBVTT"
    text = ""
    for block in blocks[1:]:
        times, *lines = block.splitlines()
        start, end = map(seconds, times.split(" --> "))
        body = " ".join(lines)
        stamps = [seconds(stamp) for stamp in re.findall(r"<([\d:.]+)>", body)]
        assert stamps == sorted(set(stamps)) and all(start < stamp < end for stamp in stamps)
        text += html.unescape(re.sub(r"<[\d:.]+>", "", body)).replace(" ", "")
    assert text == "".join(word.word for word in words)


def test_pause_starts_a_new_cue_and_short_word_stays_readable():
    words = [TimedWord("set", 1.0, 1.1, 0.9), TimedWord("red", 3.0, 3.2, 0.9)]
    first, second = cues(transcript_of(words))
    assert (first.start, second.start) == (1.0, 3.0)
    assert first.end == pytest.approx(1.0 + 5 / 6)


def test_srt_of_two_words():
    words = [TimedWord("bin", 3661.5, 3661.75, 1.0), TimedWord("blue", 3661.75, 3662.5, 1.0)]
    assert subtitles.to_srt(transcript_of(words)) == "1\n01:01:01,500 --> 01:01:02,500\nbin blue\n"


def test_two_faces_are_named_in_vtt_and_have_a_line_each_in_txt():
    other = transcript_of([TimedWord("lay", 0.5, 1.5, 0.5)], face=1).segments
    transcript = transcript_of([TimedWord("bin", 0.0, 2.0, 0.5)], other_segments=other)
    vtt = subtitles.to_vtt(transcript)
    assert "<v Face 1>bin" in vtt and "<v Face 2>lay" in vtt
    assert subtitles.to_txt(transcript) == "bin\nlay\n"


def test_json_is_one_line_with_the_documented_keys():
    line = subtitles.to_json(transcript_of([TimedWord("bin", 0.04, 0.5, 0.25)]))
    assert line.count("\n") == 1
    record = json.loads(line)
    assert list(record) == [
        "file", "fps", "duration", "model", "text", "segments", "tracks", "skipped", "shots", "complete", "warnings",
        "error", "provenance",
    ]  # fmt: skip
    assert list(record["segments"][0]) == ["start", "end", "face", "text", "confidence", "in_domain", "words", "nbest"]
    word = {"word": "bin", "start": 0.04, "end": 0.5, "confidence": 0.25}
    assert record["segments"][0]["words"] == [word]
    assert record["error"] is None


def test_tsv_has_one_row_per_word():
    header, row = subtitles.to_tsv(transcript_of([TimedWord("bin", 0.04, 0.5, 0.25)])).splitlines()
    assert header.split("\t") == ["start", "end", "face", "confidence", "word"]
    assert row == "0.040\t0.500\t0\t0.2500\tbin"


@pytest.mark.parametrize("name", subtitles.WRITERS)
def test_transcript_without_words_gives_a_valid_file(name):
    text = subtitles.WRITERS[name](transcript_of([]))
    assert isinstance(text, str) and "-->" not in text
