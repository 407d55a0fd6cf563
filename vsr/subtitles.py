"""Transcript -> txt, srt, vtt, json and tsv; the last stage of transcription.

Cues keep to what broadcasters ask for: at most two lines of 42 characters, at most 7 s, at least 5/6 s where
the next cue leaves room, and a new cue after a pause.
"""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vsr.transcript import TimedWord, Transcript

LINE_WIDTH = 42  # characters
MAX_LINES = 2
MAX_SECONDS = 7.0
MIN_SECONDS = 5 / 6
PAUSE_SECONDS = 1.0  # a silence this long ends a cue


@dataclass(frozen=True)
class Cue:
    """One subtitle: words of one face, shown from `start` to `end` (seconds, whole milliseconds apart)."""

    start: float
    end: float
    face: int
    words: tuple[TimedWord, ...]

    @property
    def lines(self) -> list[str]:
        return _wrap(word.word for word in self.words)


def cues(transcript: Transcript) -> list[Cue]:
    """All cues, ordered by start; those of one face never overlap."""
    found = [cue for face in transcript.faces for cue in _face_cues(transcript, face)]
    return sorted(found, key=lambda cue: (cue.start, cue.face))


def _face_cues(transcript: Transcript, face: int) -> Iterator[Cue]:
    words = [word for segment in transcript.segments if segment.face == face for word in segment.words]
    groups = list(_groups([part for word in words for part in _short_words(word)]))
    next_starts = [*(group[0].start for group in groups), float("inf")][1:]
    for group, next_start in zip(groups, next_starts, strict=True):
        start = group[0].start
        end = max(group[-1].end, start + MIN_SECONDS)
        # At least a millisecond long, even where two words claim the same time.
        end = max(min(end, start + MAX_SECONDS, next_start), start + 0.001)
        yield Cue(start, end, face, tuple(group))


def _groups(words: list[TimedWord]) -> Iterator[list[TimedWord]]:
    group: list[TimedWord] = []
    for word in words:
        if group and not _fits(group, word):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _fits(group: list[TimedWord], word: TimedWord) -> bool:
    if word.start - group[-1].end >= PAUSE_SECONDS or word.end - group[0].start > MAX_SECONDS:
        return False
    return len(_wrap([*(item.word for item in group), word.word])) <= MAX_LINES


def _short_words(word: TimedWord) -> Iterator[TimedWord]:
    """The word, or its parts where it is longer than a line; the parts share its time evenly."""
    parts = textwrap.wrap(word.word, LINE_WIDTH) or [word.word]
    step = (word.end - word.start) / len(parts)
    for index, part in enumerate(parts):
        start = word.start + index * step
        yield TimedWord(part, start, start + step, word.confidence)


def _wrap(words) -> list[str]:
    """Break into lines of at most `LINE_WIDTH`; two lines are made about equally long."""
    text = " ".join(words)
    lines = textwrap.wrap(text, LINE_WIDTH, break_on_hyphens=False)
    for width in range(len(text) // 2, LINE_WIDTH if len(lines) == 2 else 0):
        balanced = textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)
        if len(balanced) == 2 and max(map(len, balanced)) <= LINE_WIDTH:
            return balanced
    return lines


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


def to_txt(transcript: Transcript) -> str:
    """One line of text for each face that spoke."""
    return transcript.text + "\n"


def to_srt(transcript: Transcript) -> str:
    """SubRip."""
    blocks = []
    for number, cue in enumerate(cues(transcript), start=1):
        lines = "\n".join(cue.lines)
        blocks.append(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{lines}\n")
    return "\n".join(blocks)


def to_vtt(transcript: Transcript) -> str:
    """WebVTT with a time before each word; the voice is named where several faces spoke."""
    blocks = ["WEBVTT\n"]
    for cue in cues(transcript):
        voice = f"<v Face {cue.face + 1}>" if len(transcript.faces) > 1 else ""
        times = f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}"
        blocks.append(f"{times}\n{voice}{_timed_lines(cue)}\n")
    return "\n".join(blocks)


def _timed_lines(cue: Cue) -> str:
    """The cue's lines, each word after the first preceded by its start time, as the format allows:
    strictly between the times around it."""
    last, words = round(cue.start * 1000), iter(cue.words)
    lines = []
    for line in cue.lines:
        marked = []
        for _ in line.split():
            word = next(words)
            start = round(word.start * 1000)
            stamp = f"<{_clock(start / 1000, '.')}>" if last < start < round(cue.end * 1000) else ""
            last = max(last, start)
            marked.append(stamp + html.escape(word.word, quote=False))
        lines.append(" ".join(marked))
    return "\n".join(lines)


def to_json(transcript: Transcript) -> str:
    """One JSON object on one line."""
    return json.dumps(transcript.to_json(), ensure_ascii=False) + "\n"


def to_tsv(transcript: Transcript) -> str:
    """A header and one row for each word: start, end (seconds), face, confidence, word."""
    rows = ["start\tend\tface\tconfidence\tword"]
    for segment in transcript.segments:
        for word in segment.words:
            times = f"{word.start:.3f}\t{word.end:.3f}"
            rows.append(f"{times}\t{segment.face}\t{word.confidence:.4f}\t{' '.join(word.word.split())}")
    return "\n".join(rows) + "\n"


WRITERS: dict[str, Callable[[Transcript], str]] = {
    "txt": to_txt,
    "srt": to_srt,
    "vtt": to_vtt,
    "json": to_json,
    "tsv": to_tsv,
}
