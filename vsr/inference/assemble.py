"""Finished blocks of a video, as the journal keeps them -> its transcript.

A reading is one window of one face: its times and, for each hypothesis, the words. Where two readings of a face
overlap, a seam is laid so that no word is lost or said twice, whether the windows are of one block or of two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from vsr.inference.seams import keep_between, seams
from vsr.output.transcript import Alternative, Segment, Skipped, TimedWord, TrackReport


def segments_of(blocks: list[dict]) -> tuple[Segment, ...]:
    """What was read, ordered by start."""
    by_face = defaultdict(list)
    for block in blocks:
        for reading in block["readings"]:
            by_face[reading["face"]].append(reading)
    found = [segment for readings in by_face.values() for chain in _chains(readings) for segment in _merged(chain)]
    return tuple(sorted(found, key=lambda segment: (segment.start, segment.face)))


def _chains(readings: list[dict]) -> Iterator[list[dict]]:
    """Runs of one face's readings of which each overlaps the next; one that lies within another is left out."""
    chain: list[dict] = []
    for reading in sorted(readings, key=lambda reading: (reading["start"], -reading["end"])):
        if chain and reading["end"] <= chain[-1]["end"]:
            continue
        if chain and reading["start"] >= chain[-1]["end"] - 1e-6:
            yield chain
            chain = []
        chain.append(reading)
    if chain:
        yield chain


def _merged(chain: list[dict]) -> Iterator[Segment]:
    """The readings of a chain, each with the words between its seams."""
    words = [[_words(hypothesis) for hypothesis in reading["hypotheses"]] for reading in chain]
    overlaps = [(after["start"], before["end"]) for before, after in zip(chain, chain[1:], strict=False)]
    borders = seams([each[0] for each in words], overlaps)
    limits = [chain[0]["start"], *borders[1:-1], chain[-1]["end"]]
    for index, (reading, hypotheses) in enumerate(zip(chain, words, strict=True)):
        scores = [hypothesis["score"] for hypothesis in reading["hypotheses"]]
        cut = [keep_between(each, *borders[index : index + 2]) for each in hypotheses]
        limit, chance = limits[index : index + 2], reading.get("in_domain")
        yield _segment(list(zip(cut, scores, strict=True)), limit, reading["face"], chance)


def _words(hypothesis: dict) -> list[TimedWord]:
    return [TimedWord(*word) for word in hypothesis["words"]]


def _segment(
    cut: list[tuple[tuple[TimedWord, ...], float]], limits: list[float], face: int, in_domain: float | None
) -> Segment:
    """A segment of the words that are kept of each hypothesis, best first."""
    words = cut[0][0]
    alternatives: dict[str, float] = {}
    for kept, score in cut:
        alternatives.setdefault(" ".join(word.word for word in kept), score)
    nbest = tuple(Alternative(text, score) for text, score in alternatives.items())
    # A segment without words still says where nothing was read.
    start, end = (words[0].start, words[-1].end) if words else limits
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
    return Segment(start, end, face, confidence, words, nbest, in_domain)


def tracks_of(blocks: list[dict]) -> tuple[TrackReport, ...]:
    """Who was in the picture when; parts of a track in blocks that overlap are joined."""
    joined: list[TrackReport] = []
    for block in blocks:
        for record in block["tracks"]:
            new = TrackReport(**record | {"problems": tuple(record["problems"])})
            same = [i for i, old in enumerate(joined) if old.face == new.face and old.start < new.start < old.end]
            if same:
                new = _joined(joined.pop(same[-1]), new)
            joined.append(new)
    return tuple(sorted(joined, key=lambda track: (track.start, track.face)))


def _joined(old: TrackReport, new: TrackReport) -> TrackReport:
    """Both parts as one, their shares weighted by their length."""
    a, b = old.end - old.start, new.end - new.start
    cropped, quality = ((a * x + b * y) / (a + b) for x, y in ((old.cropped, new.cropped), (old.quality, new.quality)))
    problems = tuple(dict.fromkeys((*old.problems, *new.problems)))
    return TrackReport(old.face, old.start, max(old.end, new.end), cropped, quality, problems)


def skipped_of(blocks: list[dict]) -> tuple[Skipped, ...]:
    """What was not read; stretches that touch or overlap are joined."""
    joined: list[Skipped] = []
    records = [Skipped(**record) for block in blocks for record in block["skipped"]]
    for new in sorted(records, key=lambda stretch: (stretch.face, stretch.reason, stretch.start)):
        old = joined[-1] if joined else None
        if old and (old.face, old.reason) == (new.face, new.reason) and new.start <= old.end:
            joined[-1] = Skipped(old.face, old.start, max(old.end, new.end), old.reason)
        else:
            joined.append(new)
    return tuple(sorted(joined, key=lambda stretch: (stretch.start, stretch.face)))


def shots_of(blocks: list[dict]) -> tuple[float, ...]:
    """Seconds at which shots begin."""
    return tuple(time for block in blocks for time in block["shots"])
