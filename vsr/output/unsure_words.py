"""Marks, drops or keeps words of low confidence in formats for people; formats for programs keep all words."""

from __future__ import annotations

from dataclasses import replace

from vsr.output.transcript import Segment, TimedWord, Transcript

MARK = "[...]"
MODES = ("mark", "drop", "keep")
LEAST = 0.5  # confidence below which a word is uncertain
EVERYTHING = ("json", "tsv", "ctm", "rttm")  # formats for programs
SHOWN = ("txt", "srt", "vtt", "ass", "ssa", "sub", "mpl", "ttml", "edl")


def readable(transcript: Transcript, name: str, mode: str | None = None) -> Transcript:
    """The transcript as shown in the format ``name``. ``mode``: one of `MODES`; None marks uncertain words only in text
    and subtitles, and only in segments outside the model's domain."""
    if name in EVERYTHING or mode == "keep" or (mode is None and name not in SHOWN):
        return transcript
    return replace(transcript, segments=tuple(_marked_segment(segment, mode) for segment in transcript.segments))


def unreadable_share(transcript: Transcript) -> float:
    """Share in [0, 1] of the time of all words that is taken by uncertain words."""
    words = [word for segment in transcript.segments for word in segment.words]
    lengths = [(word.end - word.start, word.confidence < LEAST) for word in words]
    total = sum(length for length, _ in lengths)
    return sum(length for length, unsure in lengths if unsure) / total if total > 0 else 0.0


def _marked_segment(segment: Segment, mode: str | None) -> Segment:
    if mode is None and not segment.outside_domain:
        return segment
    words: list[TimedWord] = []
    for word in segment.words:
        if word.confidence >= LEAST:
            words.append(word)
        elif mode != "drop":
            joined = words and words[-1].word == MARK
            first = words.pop() if joined else word
            words.append(TimedWord(MARK, first.start, word.end, min(first.confidence, word.confidence)))
    return replace(segment, words=tuple(words))
