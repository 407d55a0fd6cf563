"""Stretches of a face that are not read, with the reason."""

from __future__ import annotations

from dataclasses import dataclass

FEW_FRAMES = "few frames"  # the problem of a mouth that changes too few times per second


@dataclass(frozen=True)
class Skipped:
    """A stretch of a face that was not read. The reason is that its lips were at "rest", or that it was "not chosen" by
    --faces, "hardly seen" (in less than half of its frames, beside another face), "covered" or "out of the picture"."""

    face: int
    start: float
    end: float
    reason: str

    def to_json(self) -> dict:
        """The entry in the JSON of a transcript."""
        return {"face": self.face, "start": round(self.start, 3), "end": round(self.end, 3), "reason": self.reason}
