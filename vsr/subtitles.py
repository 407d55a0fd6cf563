"""Transcript -> txt, srt, vtt, ass, json and tsv; the last stage of transcription.

Cues keep to what broadcasters ask for: at most two lines of 42 characters, at most 7 s, at least 5/6 s where
the next cue leaves room, and a new cue after a pause.
"""

from __future__ import annotations

import html
import json
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vsr.transcript import TimedWord, Transcript

LINE_WIDTH = 42  # characters
MAX_LINES = 2
MAX_SECONDS = 7.0
MIN_SECONDS = 5 / 6
PAUSE_SECONDS = 1.0  # a silence this long ends a cue


@dataclass(frozen=True)
class Cue:
    """One subtitle: words of one face, shown from `start` to `end` (seconds, whole milliseconds apart); `speaker`
    names the face where several speak."""

    start: float
    end: float
    face: int
    words: tuple[TimedWord, ...]
    speaker: str = ""

    @property
    def lines(self) -> list[str]:
        return _wrap(word.word for word in self.words)


def face_name(face: int) -> str:
    """What viewers call a face; they count from 1."""
    return f"Face {face + 1}"


def cues(transcript: Transcript) -> list[Cue]:
    """All cues, ordered by start; those of one face never overlap."""
    found = [cue for face in transcript.faces for cue in _face_cues(transcript, face)]
    return sorted(found, key=lambda cue: (cue.start, cue.face))


def _face_cues(transcript: Transcript, face: int) -> Iterator[Cue]:
    words = [word for segment in transcript.segments if segment.face == face for word in segment.words]
    speaker = face_name(face) if len(transcript.faces) > 1 else ""
    groups = list(_groups([part for word in words for part in _short_words(word)], speaker))
    next_starts = [*(group[0].start for group in groups), float("inf")][1:]
    for group, next_start in zip(groups, next_starts, strict=True):
        start = group[0].start
        end = max(group[-1].end, start + MIN_SECONDS)
        # At least a millisecond long, even where two words claim the same time.
        end = max(min(end, start + MAX_SECONDS, next_start), start + 0.001)
        yield Cue(start, end, face, tuple(group), speaker)


def _groups(words: list[TimedWord], speaker: str) -> Iterator[list[TimedWord]]:
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
    return len(_wrap(_spoken(speaker, (*group, word)))) <= MAX_LINES


def _spoken(speaker: str, words: Iterable[TimedWord]) -> list[str]:
    """The words, the speaker's name before them."""
    return [f"{speaker}:" if speaker else "", *(word.word for word in words)]


def _short_words(word: TimedWord) -> Iterator[TimedWord]:
    """The word, or its parts where it is longer than a line or has gaps; the parts share its time evenly."""
    parts = [part for piece in word.word.split() for part in textwrap.wrap(piece, LINE_WIDTH)]
    step = (word.end - word.start) / max(1, len(parts))
    for index, part in enumerate(parts):
        start = word.start + index * step
        yield TimedWord(part, start, start + step, word.confidence)


def _wrap(words) -> list[str]:
    """Break into lines of at most `LINE_WIDTH`; two lines are made about equally long."""
    text = " ".join(words).strip()
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
    """SubRip; the speaker is named where several faces spoke."""
    blocks = []
    for number, cue in enumerate(cues(transcript), start=1):
        lines = "\n".join(_wrap(_spoken(cue.speaker, cue.words)))
        blocks.append(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{lines}\n")
    return "\n".join(blocks)


def to_vtt(transcript: Transcript, word_class: Callable[[TimedWord], str] | None = None) -> str:
    """WebVTT with a time before each word; the voice is named where several faces spoke. ``word_class`` gives each
    word a class, by which a page's style sheet can colour it."""
    blocks = ["WEBVTT\n"]
    for cue in cues(transcript):
        voice = f"<v {cue.speaker}>" if cue.speaker else ""
        times = f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}"
        blocks.append(f"{times}\n{voice}{_timed_lines(cue, word_class)}\n")
    return "\n".join(blocks)


def _timed_lines(cue: Cue, word_class: Callable[[TimedWord], str] | None) -> str:
    """The cue's lines, each word after the first preceded by its start time, as the format allows:
    strictly between the times around it."""
    last = round(cue.start * 1000)
    lines = []
    for words in _word_lines(cue):
        marked = []
        for word in words:
            start = round(word.start * 1000)
            stamp = f"<{_clock(start / 1000, '.')}>" if last < start < round(cue.end * 1000) else ""
            last = max(last, start)
            text = html.escape(word.word, quote=False)
            marked.append(stamp + (f"<c.{word_class(word)}>{text}</c>" if word_class else text))
        lines.append(" ".join(marked))
    return "\n".join(lines)


def _word_lines(cue: Cue) -> list[list[TimedWord]]:
    """The cue's words as they stand on its lines."""
    words = iter(cue.words)
    return [[next(words) for _ in line.split()] for line in cue.lines]


def to_ass(transcript: Transcript) -> str:
    """Advanced SubStation Alpha with karaoke: each word lights up when it is said; a style and name for each face."""
    styles = [ASS_STYLE.format(name=face_name(face), colour=_face_colour(face)) for face in transcript.faces]
    events = [_dialogue(cue) for cue in cues(transcript)]
    return ASS_HEAD + "".join(styles) + ASS_EVENTS + "".join(events)


ASS_HEAD = """[Script Info]
ScriptType: v4.00+
WrapStyle: 2
ScaledBorderAndShadow: yes
PlayResX: 1920
PlayResY: 1080

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
"""
# A word is gray (the secondary colour) until it is said; outlined, at the bottom, in the middle.
ASS_STYLE = (
    "Style: {name},Arial,60,{colour},&H00B0B0B0,&H00101010,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,80,80,60,1\n"
)
ASS_EVENTS = """
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
FACE_COLOURS = ("FFFFFF", "00FFFF", "FFFF00", "00FF00")  # white, yellow, cyan, green as blue-green-red


def _face_colour(face: int) -> str:
    return f"&H00{FACE_COLOURS[face % len(FACE_COLOURS)]}"


def _dialogue(cue: Cue) -> str:
    start = round(cue.start * 100)
    end = max(round(cue.end * 100), start + 1)
    name = face_name(cue.face)
    return f"Dialogue: 0,{_ass_clock(start)},{_ass_clock(end)},{name},{name},0,0,0,,{_karaoke(cue, start, end)}\n"


def _karaoke(cue: Cue, start: int, end: int) -> str:
    """The cue's text with a duration before each word and pause; they add up to ``end - start`` centiseconds."""
    clock, text = start, ""
    for number, words in enumerate(_word_lines(cue)):
        for place, word in enumerate(words):
            gap = "" if not (place or number) else " " if place else "\\N"
            said = min(max(round(word.start * 100), clock), end)
            over = min(max(round(word.end * 100), said), end)
            text += _lasting(said - clock, gap) + f"{{\\k{over - said}}}{_ass_escaped(word.word)}"
            clock = over
    return text + _lasting(end - clock, "")


def _lasting(centiseconds: int, gap: str) -> str:
    """What stands between two words, with the pause there where there is one."""
    return f"{{\\k{centiseconds}}}{gap}" if centiseconds else gap


def _ass_escaped(text: str) -> str:
    """Text that no reader of the format takes for tags or line breaks: a word joiner parts a backslash from what
    follows, as FFmpeg's own writer does; the format has no escape for it."""
    return text.replace("\\", "\\\u2060").replace("{", "\\{").replace("}", "\\}")


def _ass_clock(centiseconds: int) -> str:
    minutes, rest = divmod(centiseconds, 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"


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
    "ass": to_ass,
    "json": to_json,
    "tsv": to_tsv,
}
