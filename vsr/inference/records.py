"""The typed records of a block that has been read: stored in the journal, assembled into transcripts.

Times are seconds in the original video.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vsr.core.typed_json import from_plain, to_plain
from vsr.face.identity import Person
from vsr.face.skipped import Skipped
from vsr.media.resample import Position
from vsr.output.transcript import TimedWord, TrackReport

ROWS = (TimedWord, Position)  # in JSON lists of their values


@dataclass(frozen=True)
class ScoredWords:
    """One hypothesis: its search score (a log-probability: higher is better) and its words."""

    score: float
    words: tuple[TimedWord, ...]

    @property
    def text(self) -> str:
        return " ".join(word.word for word in self.words)


@dataclass(frozen=True)
class WindowRecord:
    """One window of one face, from ``start`` to ``end``: its hypotheses, best first, and the probability that its
    lips are in the model's domain, None for a model without that calibration."""

    face: int
    start: float
    end: float
    hypotheses: tuple[ScoredWords, ...]
    in_domain: float | None = None


@dataclass(frozen=True)
class BlockRecord:
    """A block of the video that has been read.

    Attributes:
        frames: number of frames at 25 fps; end: second at which the last one ends.
        next: position at which the next block begins, None after the last; cut: whether a shot begins there.
        first_shot: number of the first shot; num_shots: number of shots; shots: seconds at which new ones begin.
        tracks: when each face was in the frame, and how well it was seen.
        skipped: stretches that were not read; readings: windows that were.
        people: those who are new or were seen again since the block before.
        holes: (start, end) seconds in which the file is damaged, if they end in or after the block.
    """

    frames: int
    end: float
    next: Position | None
    cut: bool
    first_shot: int
    num_shots: int
    shots: tuple[float, ...]
    tracks: tuple[TrackReport, ...]
    skipped: tuple[Skipped, ...]
    readings: tuple[WindowRecord, ...]
    people: tuple[Person, ...]
    holes: tuple[tuple[float, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, from which `from_json` makes an equal record."""
        return to_plain(self, ROWS)

    @classmethod
    def from_json(cls, record: Any) -> BlockRecord:
        """The record of a JSON object. Raises ValueError, which names the field, for one that is no record."""
        return from_plain(cls, record, ROWS)
