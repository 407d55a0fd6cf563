"""Writes CTM and RTTM for NIST's scoring tools: a line for each word, and a line for each turn."""

from __future__ import annotations

from pathlib import Path

from vsr.output.transcript import Transcript


def name_of(transcript: Transcript) -> str:
    """Name of the recording: the file's stem, with spaces replaced, which the formats do not allow."""
    return "_".join(Path(transcript.file).stem.split()) or "clip"


def to_ctm(transcript: Transcript) -> str:
    """CTM: recording, channel (the face, from 1), start, duration (seconds), word, confidence; in sclite's order."""
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
    """RTTM: a line for each segment in which a face speaks, with face, start and duration (seconds)."""
    name = name_of(transcript)
    return "".join(
        f"SPEAKER {name} 1 {s.start:.3f} {s.end - s.start:.3f} <NA> <NA> face{s.face + 1} <NA> <NA>\n"
        for s in sorted(transcript.segments, key=lambda s: (s.start, s.face)) if s.words
    )  # fmt: skip
