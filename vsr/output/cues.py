"""Groups timed words into subtitle cues, with their times and line breaks.

Cues follow the rules of broadcasters: at most two lines of 42 characters, at most 7 s, at least 5/6 s where the next
cue leaves room, and a new cue after a pause.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from vsr.output.transcript import TimedWord, Transcript

LINE_WIDTH = 42  # characters
MAX_LINES = 2
MAX_SECONDS = 7.0
MIN_SECONDS = 5 / 6
PAUSE_SECONDS = 1.0  # a silence this long ends a cue


@dataclass(frozen=True)
class Cue:
    """A subtitle: words of one face, shown from `start` to `end` (seconds, at least a millisecond apart); `speaker`
    names the face if several speak."""

    start: float
    end: float
    face: int
    words: tuple[TimedWord, ...]
    speaker: str = ""

    @property
    def lines(self) -> list[str]:
        """The words, broken into lines."""
        return _wrap(word.word for word in self.words)

    @property
    def named_lines(self) -> list[str]:
        """The lines, with the speaker's name before the words if there is one."""
        return _wrap(_with_speaker(self.speaker, self.words))

    @property
    def word_lines(self) -> list[list[TimedWord]]:
        """The words of each line."""
        words = iter(self.words)
        return [[next(words) for _ in line.split()] for line in self.lines]


def face_name(face: int) -> str:
    """Name of a face for viewers, counted from 1."""
    return f"Face {face + 1}"


def cues(transcript: Transcript) -> list[Cue]:
    """All cues, ordered by start; those of one face never overlap."""
    all_cues = [cue for face in transcript.faces for cue in _face_cues(transcript, face)]
    return sorted(all_cues, key=lambda cue: (cue.start, cue.face))


def _face_cues(transcript: Transcript, face: int) -> Iterator[Cue]:
    words = [word for segment in transcript.segments if segment.face == face for word in segment.words]
    speaker = face_name(face) if len(transcript.faces) > 1 else ""
    groups = list(_groups([part for word in words for part in _short_words(word)], speaker))
    next_starts = [*(group[0].start for group in groups), float("inf")][1:]
    for group, next_start in zip(groups, next_starts, strict=True):
        start = group[0].start
        end = max(group[-1].end, start + MIN_SECONDS)
        # At least a millisecond long, even if two words have the same time.
        end = max(min(end, start + MAX_SECONDS, next_start), start + 0.001)
        yield Cue(start, end, face, tuple(group), speaker)


def _groups(words: list[TimedWord], speaker: str) -> Iterator[list[TimedWord]]:
    """Group the words of one face into as few cues as possible."""
    group: list[TimedWord] = []
    for word in words:
        if group and not _fits(group, word, speaker):
            yield group
            group = []
        group.append(word)
    if group:
        yield group


def _fits(group: list[TimedWord], word: TimedWord, speaker: str) -> bool:
    if word.start - group[-1].end >= PAUSE_SECONDS or word.end - group[0].start > MAX_SECONDS:
        return False
    return len(_wrap(_with_speaker(speaker, (*group, word)))) <= MAX_LINES


def _with_speaker(speaker: str, words: Iterable[TimedWord]) -> list[str]:
    """The words, preceded by the speaker's name."""
    return [f"{speaker}:" if speaker else "", *(word.word for word in words)]


def _short_words(word: TimedWord) -> Iterator[TimedWord]:
    """The word, or its parts if it is longer than a line or contains spaces; the parts divide its time evenly."""
    parts = [part for piece in word.word.split() for part in textwrap.wrap(piece, LINE_WIDTH)]
    step = (word.end - word.start) / max(1, len(parts))
    for index, part in enumerate(parts):
        start = word.start + index * step
        yield TimedWord(part, start, start + step, word.confidence)


def _wrap(words) -> list[str]:
    """Break words into lines of at most `LINE_WIDTH`; two lines are balanced in length."""
    text = " ".join(words).strip()
    lines = textwrap.wrap(text, LINE_WIDTH, break_on_hyphens=False)
    for width in range(len(text) // 2, LINE_WIDTH if len(lines) == 2 else 0):
        balanced = textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False)
        if len(balanced) == 2 and max(map(len, balanced)) <= LINE_WIDTH:
            return balanced
    return lines
