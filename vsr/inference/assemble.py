"""The finished blocks of a video -> its transcript.

A reading is one window of one face (`vsr.inference.records.WindowRecord`). Where two readings of a face overlap, they
are joined at a seam, so that no word is lost or repeated, whether the windows are of one block or of two.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from vsr.face.skipped import Skipped
from vsr.inference.records import WindowRecord
from vsr.inference.seams import keep_between, seams
from vsr.output.transcript import Alternative, Segment, TimedWord, TrackReport


def segments_of(readings: Iterable[WindowRecord]) -> tuple[Segment, ...]:
    """The segments of all blocks, ordered by start."""
    by_face = defaultdict(list)
    for reading in readings:
        by_face[reading.face].append(reading)
    found = [segment for own in by_face.values() for chain in _chains(own) for segment in _merged(chain)]
    return tuple(sorted(found, key=lambda segment: (segment.start, segment.face)))


def _chains(readings: list[WindowRecord]) -> Iterator[list[WindowRecord]]:
    """Groups of one face's readings, each of which overlaps the next; one that lies within another is left out."""
    chain: list[WindowRecord] = []
    for reading in sorted(readings, key=lambda reading: (reading.start, -reading.end)):
        if chain and reading.end <= chain[-1].end:
            continue
        if chain and reading.start >= chain[-1].end - 1e-6:
            yield chain
            chain = []
        chain.append(reading)
    if chain:
        yield chain


def _merged(chain: list[WindowRecord]) -> Iterator[Segment]:
    """The readings of a group, each with the words between its seams."""
    overlaps = [(after.start, before.end) for before, after in zip(chain, chain[1:], strict=False)]
    borders = seams([reading.hypotheses[0].words for reading in chain], overlaps)
    limits = [chain[0].start, *borders[1:-1], chain[-1].end]
    for index, reading in enumerate(chain):
        between = borders[index : index + 2]
        cut = [(keep_between(each.words, *between), each.score) for each in reading.hypotheses]
        yield _segment(cut, limits[index : index + 2], reading.face, reading.in_domain)


def _segment(
    cut: list[tuple[tuple[TimedWord, ...], float]], limits: list[float], face: int, in_domain: float | None
) -> Segment:
    """A segment from the words kept of each hypothesis, best first."""
    words = cut[0][0]
    alternatives: dict[str, float] = {}
    for kept, score in cut:
        alternatives.setdefault(" ".join(word.word for word in kept), score)
    nbest = tuple(Alternative(text, score) for text, score in alternatives.items())
    # A segment without words still says where nothing was read.
    start, end = (words[0].start, words[-1].end) if words else limits
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
    return Segment(start, end, face, confidence, words, nbest, in_domain)


def tracks_of(tracks: Iterable[TrackReport]) -> tuple[TrackReport, ...]:
    """When each face was in the frame; the parts of a track in overlapping blocks are joined."""
    joined: list[TrackReport] = []
    for new in tracks:
        same = [i for i, old in enumerate(joined) if old.face == new.face and old.start < new.start < old.end]
        if same:
            new = _joined(joined.pop(same[-1]), new)
        joined.append(new)
    return tuple(sorted(joined, key=lambda track: (track.start, track.face)))


def _joined(old: TrackReport, new: TrackReport) -> TrackReport:
    """Two parts of a track as one; shares are weighted by length."""
    a, b = old.end - old.start, new.end - new.start
    cropped, quality = ((a * x + b * y) / (a + b) for x, y in ((old.cropped, new.cropped), (old.quality, new.quality)))
    problems = tuple(dict.fromkeys((*old.problems, *new.problems)))
    return TrackReport(old.face, old.start, max(old.end, new.end), cropped, quality, problems)


def skipped_of(stretches: Iterable[Skipped]) -> tuple[Skipped, ...]:
    """The stretches that were not read; those that touch or overlap are joined."""
    joined: list[Skipped] = []
    for new in sorted(stretches, key=lambda stretch: (stretch.face, stretch.reason, stretch.start)):
        old = joined[-1] if joined else None
        if old and (old.face, old.reason) == (new.face, new.reason) and new.start <= old.end:
            joined[-1] = Skipped(old.face, old.start, max(old.end, new.end), old.reason)
        else:
            joined.append(new)
    return tuple(sorted(joined, key=lambda stretch: (stretch.start, stretch.face)))
