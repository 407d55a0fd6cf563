"""Stretches of a face that are not read, and why; and what is said of one that hardly can be."""

from __future__ import annotations

from dataclasses import dataclass

FEW_FRAMES = "few frames"  # what lowers the quality of a face whose mouth changes too few times a second


@dataclass(frozen=True)
class Skipped:
    """A stretch of a face that was not read, and why: its lips were at "rest", or it was "not chosen" by --faces,
    "hardly seen" (in under half of its frames, beside another), "covered" or "out of the picture"."""

    face: int
    start: float
    end: float
    reason: str

    def to_json(self) -> dict:
        """As transcripts show it."""
        return {"face": self.face, "start": round(self.start, 3), "end": round(self.end, 3), "reason": self.reason}
