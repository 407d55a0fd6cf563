"""Transcript -> CTM and RTTM, as NIST's scoring tools read them: a line a word, a line a turn."""

from __future__ import annotations

from pathlib import Path

from vsr.output.transcript import Transcript


def name_of(transcript: Transcript) -> str:
    """What the recording is called there: the file's name without its ending, in which spaces may not stand."""
    return "_".join(Path(transcript.file).stem.split()) or "clip"


def to_ctm(transcript: Transcript) -> str:
    """Recording, channel (the face, from 1), start, duration (seconds), word, confidence; in sclite's order."""
    rows = [
        (segment.face + 1, word.start, word.end - word.start, "_".join(word.word.split()), word.confidence)
        for segment in transcript.segments for word in segment.words
    ]  # fmt: skip
    name = name_of(transcript)
    return "".join(
        f"{name} {channel} {start:.3f} {max(0.0, length):.3f} {word} {confidence:.4f}\n"
        for channel, start, length, word, confidence in sorted(rows)
    )


def to_rttm(transcript: Transcript) -> str:
    """A line for each segment in which a face speaks: who, from when, how long (seconds)."""
    name = name_of(transcript)
    return "".join(
        f"SPEAKER {name} 1 {s.start:.3f} {s.end - s.start:.3f} <NA> <NA> face{s.face + 1} <NA> <NA>\n"
        for s in sorted(transcript.segments, key=lambda s: (s.start, s.face)) if s.words
    )  # fmt: skip
