"""Readings of windows and blocks become one transcript; the journal of them survives a kill."""

import json
from base64 import b64encode

import pytest

from vsr.core.errors import VsrError
from vsr.face.identity import Person
from vsr.face.likeness import measure
from vsr.face.skipped import Skipped
from vsr.inference.assemble import segments_of, skipped_of, tracks_of
from vsr.inference.journal import Journal
from vsr.inference.records import BlockRecord, ScoredWords, WindowRecord
from vsr.media.resample import Position
from vsr.output.transcript import TimedWord, TrackReport


def reading(start, end, text, face=0, first=None):
    """Words of half a second each, the first at `first`."""
    begin = start if first is None else first
    words = (TimedWord(word, begin + 0.5 * i, begin + 0.5 * i + 0.4, 0.9) for i, word in enumerate(text.split()))
    return WindowRecord(face, start, end, (ScoredWords(-1.0, tuple(words)),))


def block(*readings, following=None, **overrides):
    fields = {"tracks": (), "skipped": (), "people": (), "shots": (0.0,)} | overrides
    return BlockRecord(25, 1.0, following, True, 0, 1, readings=readings, **fields)


def texts(readings):
    return [segment.text for segment in segments_of(readings)]


def test_words_at_seam_of_two_blocks_are_neither_lost_nor_repeated():
    first = reading(0, 3, "a b c d e f")
    second = reading(1, 5, "c d e f g h i j")
    assert " ".join(texts([first, second])) == "a b c d e f g h i j"
    broken = reading(1, 5, "x d e f g h i j", first=1.1)  # the first word is cut and misread
    assert " ".join(texts([first, broken])) == "a b c d e f g h i j"


def test_faces_are_merged_separately_and_a_gap_is_no_seam():
    segments = segments_of([reading(0, 2, "a b"), reading(0, 2, "k l", face=1), reading(2, 4, "a b")])
    assert [(segment.face, segment.text) for segment in segments] == [(0, "a b"), (1, "k l"), (0, "a b")]


def test_reading_within_another_is_dropped():
    assert texts([reading(0, 4, "a b c d e f"), reading(2, 4, "e f")]) == ["a b c d e f"]


def test_overlapping_tracks_and_skipped_stretches_are_joined():
    times = ((0, 60, 1.0, ()), (58, 78, 0.5, ("covered",)), (90, 95, 1.0, ()))
    first, second = tracks_of(TrackReport(0, start, end, share, 1.0, problems) for start, end, share, problems in times)
    assert (first.start, first.end, first.problems) == (0, 78, ("covered",))
    assert first.cropped == pytest.approx((60 * 1.0 + 20 * 0.5) / 80)
    rests = skipped_of(Skipped(0, start, end, "rest") for start, end, *_ in times)
    assert [(stretch.start, stretch.end) for stretch in rests] == [(0, 78), (90, 95)]


HEADING = {"file": "a.mp4", "model": "tiny", "options": {"weights": (0.5, None)}}


def test_journal_cut_at_any_byte_resumes_after_last_whole_line(tmp_path):
    path = tmp_path / "a.journal"
    journal = Journal(path, HEADING)
    for number in range(3):
        journal.add(block(reading(number, number + 1, "ä"), following=Position(0.0, number)))
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (*range(0, len(whole), 7), *range(len(whole) - 3, len(whole))):
        path.write_bytes(whole[:cut])
        resumed = Journal(path, HEADING, resume=True)
        ends = [sum(map(len, lines[: count + 1])) for count in range(len(lines))]
        finished = sum(end <= cut for end in ends[1:])
        assert resumed.blocks == journal.blocks[:finished]
        if finished:
            resumed.add(block(following=Position(0.0, 9)))
            assert Journal(path, HEADING, resume=True).blocks == resumed.blocks


def test_refuses_journal_of_another_run(tmp_path):
    path = tmp_path / "a.journal"
    Journal(path, HEADING).add(block(following=Position(0.0, 1)))
    with pytest.raises(VsrError) as caught:
        Journal(path, HEADING | {"model": "other"}, resume=True)
    assert caught.value.reason == "bad_journal" and "a.journal" in str(caught.value)
    assert Journal(path, HEADING | {"model": "other"}).blocks == []


def test_finished_journal_is_removed(tmp_path):
    journal = Journal(tmp_path / "a.journal", HEADING)
    journal.add(block())
    assert journal.finished and not list(tmp_path.iterdir())


LOOK = (bytes(range(256)) * 16)[: measure().mark_bytes]
WHOLE = block(
    reading(0, 1, "ä b"), WindowRecord(1, 0.5, 1, (), 0.25), following=Position(0.04, 25), shots=(0.0, 0.4),
    tracks=(TrackReport(0, 0, 1.0, 0.5, 1, ("small", "dark")),), skipped=(Skipped(1, 0.0, 0.5, "rest"),),
    people=(Person(0, (LOOK,), (0, 0.5, 1.0, 2.0, 80.0)),),
)  # fmt: skip


def test_journal_format_is_stable():
    """The line of an earlier version, which a run of this one goes on from."""
    line = {
        "frames": 25, "end": 1.0, "next": [0.04, 25], "cut": True, "first_shot": 0, "num_shots": 1, "shots": [0.0, 0.4],
        "tracks": [{"face": 0, "start": 0, "end": 1.0, "cropped": 0.5, "quality": 1, "problems": ["small", "dark"]}],
        "skipped": [{"face": 1, "start": 0.0, "end": 0.5, "reason": "rest"}],
        "readings": [
            {"face": 0, "start": 0, "end": 1, "hypotheses": [
                {"score": -1.0, "words": [["ä", 0.0, 0.4, 0.9], ["b", 0.5, 0.9, 0.9]]}
            ], "in_domain": None},
            {"face": 1, "start": 0.5, "end": 1, "hypotheses": [], "in_domain": 0.25},
        ],
        "people": [{"face": 0, "looks": [b64encode(LOOK).decode()], "place": [0, 0.5, 1.0, 2.0, 80.0]}],
        "holes": [],
    }  # fmt: skip
    assert json.dumps(WHOLE.to_json()) == json.dumps(line)
    assert BlockRecord.from_json(line) == WHOLE
    del line["readings"][0]["in_domain"], line["holes"]  # of a version before
    assert BlockRecord.from_json(line) == WHOLE


def with_value(path, value):
    """The record of WHOLE with one value replaced."""
    record = json.loads(json.dumps(WHOLE.to_json()))
    *parents, last = path
    inner = record
    for place in parents:
        inner = inner[place]
    inner[last] = value
    return record


@pytest.mark.parametrize(
    "path, value, message",
    [
        (["frames"], "25", "frames: expected a whole number"),
        (["frames"], True, "frames: expected a whole number"),
        (["cut"], 1, "cut: expected true or false"),
        (["end"], None, "end: expected a number"),
        (["next"], [0.0], "next: expected a list of 2"),
        (["shots"], 3, "shots: expected a list"),
        (["tracks", 0, "problems", 1], 7, "tracks.0.problems.1: expected text"),
        (["skipped", 0, "hue"], 1, "skipped.0.hue: unknown"),
        (["skipped", 0], ["rest"], "skipped.0: expected an object"),
        (["readings", 0, "hypotheses", 0, "words", 1], ["b", 0.5, 0.9], "words.1: expected a list of 4"),
        (["people", 0, "looks", 0], "?", "looks.0: expected base64"),
        (["people", 0, "looks", 0], "", "bytes"),
    ],
)
def test_refuses_invalid_block_and_names_the_field(tmp_path, path, value, message):
    record = with_value(path, value)
    with pytest.raises(ValueError, match=message):
        BlockRecord.from_json(record)
    file = tmp_path / "a.journal"
    Journal(file, HEADING).add(WHOLE)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(record) + "\n")
    before = file.read_bytes()
    with pytest.raises(VsrError, match="a.journal: block 2 is none") as caught:
        Journal(file, HEADING, resume=True)
    assert caught.value.reason == "bad_journal" and "\n" not in str(caught.value) and file.read_bytes() == before


def test_every_field_of_a_block_is_required():
    for name in set(WHOLE.to_json()) - {"holes"}:  # which earlier versions did not write
        record = WHOLE.to_json()
        del record[name]
        with pytest.raises(ValueError, match=f"{name}: missing"):
            BlockRecord.from_json(record)
