"""Readings of windows and blocks become one transcript; the journal of them survives a kill."""

import pytest

from vsr.core.errors import VsrError
from vsr.inference.assemble import segments_of, skipped_of, tracks_of
from vsr.inference.journal import Journal


def reading(start, end, text, face=0, first=None):
    """Words of half a second each, the first at `first`."""
    begin = start if first is None else first
    words = [[word, begin + 0.5 * i, begin + 0.5 * i + 0.4, 0.9] for i, word in enumerate(text.split())]
    return {"face": face, "start": start, "end": end, "hypotheses": [{"score": -1.0, "words": words}]}


def block(*readings, tracks=(), skipped=(), following=None):
    return {"readings": list(readings), "tracks": list(tracks), "skipped": list(skipped), "next": following}


def texts(blocks):
    return [segment.text for segment in segments_of(blocks)]


def test_words_at_the_seam_of_two_blocks_are_neither_lost_nor_doubled():
    first = block(reading(0, 3, "a b c d e f"))
    second = block(reading(1, 5, "c d e f g h i j"))
    assert " ".join(texts([first, second])) == "a b c d e f g h i j"
    broken = block(reading(1, 5, "x d e f g h i j", first=1.1))  # the first word is cut and misread
    assert " ".join(texts([first, broken])) == "a b c d e f g h i j"


def test_faces_are_merged_apart_and_a_gap_is_no_seam():
    found = segments_of([block(reading(0, 2, "a b"), reading(0, 2, "k l", face=1)), block(reading(2, 4, "a b"))])
    assert [(segment.face, segment.text) for segment in found] == [(0, "a b"), (1, "k l"), (0, "a b")]


def test_a_reading_within_another_is_left_out():
    assert texts([block(reading(0, 4, "a b c d e f")), block(reading(2, 4, "e f"))]) == ["a b c d e f"]


def test_tracks_and_rests_of_overlapping_blocks_are_joined():
    def track(start, end, cropped, problems=()):
        whole = {"face": 0, "start": start, "end": end, "cropped": cropped, "quality": 1.0, "problems": list(problems)}
        rest = {"face": 0, "start": start, "end": end, "reason": "rest"}
        return block(tracks=[whole], skipped=[rest])

    blocks = [track(0, 60, 1.0), track(58, 78, 0.5, ["covered"]), track(90, 95, 1.0)]
    first, second = tracks_of(blocks)
    assert (first.start, first.end, first.problems) == (0, 78, ("covered",))
    assert first.cropped == pytest.approx((60 * 1.0 + 20 * 0.5) / 80)
    assert [(stretch.start, stretch.end) for stretch in skipped_of(blocks)] == [(0, 78), (90, 95)]


HEADING = {"file": "a.mp4", "model": "tiny", "options": {"weights": (0.5, None)}}


def test_a_line_that_a_kill_cut_short_is_read_again(tmp_path):
    path = tmp_path / "a.journal"
    journal = Journal(path, HEADING)
    for number in range(3):
        journal.add(block(reading(number, number + 1, "ä"), following=[0.0, number]))
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (*range(0, len(whole), 7), *range(len(whole) - 3, len(whole))):
        path.write_bytes(whole[:cut])
        resumed = Journal(path, HEADING, resume=True)
        ends = [sum(map(len, lines[: count + 1])) for count in range(len(lines))]
        finished = sum(end <= cut for end in ends[1:])
        assert resumed.blocks == journal.blocks[:finished]
        if finished:
            resumed.add(block(following=[0.0, 9]))
            assert Journal(path, HEADING, resume=True).blocks == resumed.blocks


def test_the_journal_of_another_run_is_refused(tmp_path):
    path = tmp_path / "a.journal"
    Journal(path, HEADING).add(block(following=[0.0, 1]))
    with pytest.raises(VsrError) as caught:
        Journal(path, HEADING | {"model": "other"}, resume=True)
    assert caught.value.reason == "bad_journal" and "a.journal" in str(caught.value)
    assert Journal(path, HEADING | {"model": "other"}).blocks == []


def test_a_short_video_leaves_no_journal(tmp_path):
    journal = Journal(tmp_path / "a.journal", HEADING)
    journal.add(block())
    assert journal.finished and not list(tmp_path.iterdir())
