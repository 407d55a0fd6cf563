"""Formats of other programs: independent readers get every word and time back."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_subtitles import transcript_of
from vsr.output.broadcast import exact_rate
from vsr.output.cues import cues
from vsr.output.subtitles import WRITERS
from vsr.output.transcript import Segment, TimedWord, Transcript
from vsr.output.unsure_words import readable

HARD = 'it\'s "<5>" & |more|'


@st.composite
def spoken(draw):
    """Segments of up to three faces; ordered words, some without length, with characters that formats interpret."""
    segments = []
    for face in range(draw(st.integers(0, 3))):
        clock, words = draw(st.floats(0, 100)), []
        for text in draw(st.lists(st.text("ab\"'&<>|é", min_size=1, max_size=8), min_size=1, max_size=6)):
            start = clock + draw(st.floats(0, 2))
            clock = start + draw(st.floats(0, 2))
            words.append(TimedWord(text, start, clock, draw(st.floats(0, 1))))
        segments.append(Segment(words[0].start, words[-1].end, face, 0.5, tuple(words), ()))
    segments.sort(key=lambda segment: segment.start)
    return Transcript("a clip.mp4", draw(st.sampled_from([None, 25.0, 29.97])), 300.0, "tiny", tuple(segments))


def words_of(transcript):
    return [(segment.face, word) for segment in transcript.segments for word in segment.words]


@settings(deadline=None, max_examples=40)
@given(spoken())
def test_ctm_has_every_word_in_the_order_of_sclite(transcript):
    rows = [line.split() for line in WRITERS["ctm"](transcript).splitlines()]
    assert sorted(rows, key=lambda row: (row[1], float(row[2]))) == rows and all(row[0] == "a_clip" for row in rows)
    expected = sorted((str(face + 1), round(w.start, 3), w.word) for face, w in words_of(transcript))
    assert sorted((row[1], float(row[2]), row[4]) for row in rows) == expected
    assert all(float(row[3]) >= 0 and 0 <= float(row[5]) <= 1 for row in rows)


@settings(deadline=None, max_examples=30)
@given(spoken())
def test_rttm_has_every_turn(transcript):
    rows = [line.split() for line in WRITERS["rttm"](transcript).splitlines()]
    expected = [(s.start, s.end - s.start, f"face{s.face + 1}") for s in transcript.segments]
    assert [(row[0], row[1], row[2], row[7]) for row in rows] == [
        ("SPEAKER", "a_clip", "1", turn[2]) for turn in expected
    ]
    assert [float(row[4]) for row in rows] == pytest.approx([turn[1] for turn in expected], abs=2e-3)


def read_textgrid(text):
    """Name -> [(start, end, text)] of Praat's long format; the intervals must cover the whole time."""
    end = float(re.search(r"^xmax = ([\d.]+)$", text, re.MULTILINE)[1])
    tiers = {}
    for item in re.split(r"\n    item \[\d+\]:\n", text)[1:]:
        name = re.search(r'name = "((?:[^"]|"")*)"', item)[1]
        rows = re.findall(r'\]:\n +xmin = ([\d.]+)\n +xmax = ([\d.]+)\n +text = "((?:[^"]|"")*)"', item)
        assert int(re.search(r"intervals: size = (\d+)", item)[1]) == len(rows)
        spans = [(float(a), float(b), value.replace('""', '"')) for a, b, value in rows]
        assert spans[0][0] == 0 and spans[-1][1] == end and all(a < b for a, b, _ in spans)
        assert all(left[1] == right[0] for left, right in zip(spans, spans[1:], strict=False))
        tiers[name] = [span for span in spans if span[2]]
    return tiers


def read_eaf(text):
    """The same from ELAN's XML."""
    root = ET.fromstring(text.encode())
    times = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) / 1000 for slot in root.iter("TIME_SLOT")}
    ids = [annotation.get("ANNOTATION_ID") for annotation in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(set(ids)) == len(ids) and len(times) == 2 * len(ids)
    return {
        tier.get("TIER_ID"): [
            (
                times[annotation.get("TIME_SLOT_REF1")],
                times[annotation.get("TIME_SLOT_REF2")],
                annotation.find("ANNOTATION_VALUE").text,
            )
            for annotation in tier.iter("ALIGNABLE_ANNOTATION")
        ]
        for tier in root.iter("TIER")
    }


@pytest.mark.parametrize("name, read", [("textgrid", read_textgrid), ("eaf", read_eaf)])
@settings(deadline=None, max_examples=40)
@given(spoken())
def test_tiers_have_every_word_with_a_length(name, read, transcript):
    tiers = read(WRITERS[name](transcript))
    assert len(tiers) == 2 * len(transcript.faces)
    for face in transcript.faces:
        words = [w for f, w in words_of(transcript) if f == face and round(w.start, 3) < round(w.end, 3)]
        spans = tiers.get(f"Face {face + 1} words", [])
        assert [span[2] for span in spans] == [w.word for w in words]
        assert [span[0] for span in spans] == [round(w.start, 3) for w in words]


def seconds(stamp):
    hours, minutes, rest = stamp.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


@settings(deadline=None, max_examples=40)
@given(spoken())
def test_ttml_has_the_cues(transcript):
    root = ET.fromstring(WRITERS["ttml"](transcript).encode())
    space = "{http://www.w3.org/ns/ttml}"
    rows = list(root.iter(f"{space}p"))
    expected = cues(transcript)
    assert ["".join(row.itertext()) for row in rows] == ["".join(cue.named_lines) for cue in expected]
    assert [seconds(row.get("begin")) for row in rows] == pytest.approx([round(cue.start, 3) for cue in expected])
    agents = {
        agent.get("{http://www.w3.org/XML/1998/namespace}id") for agent in root.iter(f"{space[:-1]}#metadata}}agent")
    }
    assert {row.get(f"{space[:-1]}#metadata}}agent") for row in rows} - {None} == agents


@settings(deadline=None, max_examples=40)
@given(spoken())
def test_edl_has_a_marker_for_each_cue(transcript):
    text = WRITERS["edl"](transcript)
    rate = round(transcript.fps or 25)
    starts = re.findall(r"^\d{3,}  001      V     C        (\d\d):(\d\d):(\d\d):(\d\d) ", text, re.MULTILINE)
    frames = [((int(h) - 1) * 3600 + int(m) * 60 + int(s)) * rate + int(f) for h, m, s, f in starts]
    expected = cues(transcript)
    assert frames == [round(cue.start * exact_rate(transcript.fps or 25)) for cue in expected]
    names = re.findall(r"^ \|C:ResolveColor\w+ \|M:(.*) \|D:(\d+)$", text, re.MULTILINE)
    assert [name for name, _ in names] == [" ".join(cue.named_lines).replace("|", "/") for cue in expected]
    assert all(int(length) >= 1 for _, length in names)


@pytest.mark.parametrize(
    "fps, at",
    [(25.0, "02:00:00:00"), (29.97, "01:59:56:12"), (30000 / 1001, "01:59:56:12"), (30.0, "02:00:00:00"),
     (23.976, "01:59:56:10"), (59.94, "01:59:56:24"), (27.3, "02:00:00:00"), (0.0, "02:00:00:00")],
)  # fmt: skip
def test_a_marker_of_edl_counts_the_frames_that_there_are(fps, at):
    """Time codes of 29.97 frames a second count 30, so an hour of them is 3.6 s longer than an hour."""
    word = TimedWord("bin", 3600.0, 3601.0, 0.9)
    segment = Segment(3600.0, 3601.0, 0, 0.9, (word,), ())
    assert f" C        {at} " in WRITERS["edl"](Transcript("a.mov", fps, 4000.0, "tiny", (segment,)))


def test_guess_is_a_marker_of_another_colour():
    confident = transcript_of([TimedWord("yes", 1.0, 2.0, 0.9)])
    (segment,) = confident.segments
    guess = Segment(segment.start, segment.end, 0, 0.5, segment.words, (), in_domain=0.1)
    for marked, colour in ((segment, "Blue"), (guess, "Yellow")):
        assert f"ResolveColor{colour}" in WRITERS["edl"](Transcript("a.mp4", 25.0, 2.0, "tiny", (marked,)))


@pytest.mark.parametrize("name", WRITERS)
def test_empty_transcripts_and_special_characters_make_no_broken_file(name):
    for words in ([], [TimedWord(HARD, 0.0, 1.0, 0.2)]):
        text = WRITERS[name](readable(transcript_of(words), name))
        assert name not in ("ttml", "eaf") or ET.fromstring(text.encode())
