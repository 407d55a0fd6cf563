"""Writes Advanced SubStation Alpha with karaoke: each word lights up when it is spoken.

Every face has its own style and colour. Times are whole centiseconds, as the format requires.
"""

from __future__ import annotations

from vsr.output.cues import Cue, cues, face_name
from vsr.output.transcript import Transcript

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
# A word is gray (the secondary colour) until it is spoken; outlined, at the bottom centre.
ASS_STYLE = "Style: {name},Arial,60,{colour},&H00B0B0B0,&H00101010,&H80000000,0,0,0,0,100,100,0,0,1,3,1,2,80,80,60,1\n"
ASS_EVENTS = """
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
FACE_COLOURS = ("FFFFFF", "00FFFF", "FFFF00", "00FF00")  # white, yellow, cyan, green as blue-green-red


def to_ass(transcript: Transcript) -> str:
    """Advanced SubStation Alpha with karaoke: words light up when they are spoken; a style and name for each face."""
    styles = [ASS_STYLE.format(name=face_name(face), colour=_face_colour(face)) for face in transcript.faces]
    events = [_dialogue(cue) for cue in cues(transcript)]
    return ASS_HEAD + "".join(styles) + ASS_EVENTS + "".join(events)


def _face_colour(face: int) -> str:
    return f"&H00{FACE_COLOURS[face % len(FACE_COLOURS)]}"


def _dialogue(cue: Cue) -> str:
    start = round(cue.start * 100)
    end = max(round(cue.end * 100), start + 1)
    name = face_name(cue.face)
    return f"Dialogue: 0,{_clock(start)},{_clock(end)},{name},{name},0,0,0,,{_timed_text(cue, start, end)}\n"


def _timed_text(cue: Cue, start: int, end: int) -> str:
    """The cue's text with a duration before each word and pause, which sum to ``end - start`` centiseconds."""
    clock, text = start, ""
    for number, words in enumerate(cue.word_lines):
        for index, word in enumerate(words):
            gap = "" if not (index or number) else " " if index else "\\N"
            word_start = min(max(round(word.start * 100), clock), end)
            word_end = min(max(round(word.end * 100), word_start), end)
            text += _pause_tag(word_start - clock, gap) + f"{{\\k{word_end - word_start}}}{escaped(word.word)}"
            clock = word_end
    return text + _pause_tag(end - clock, "")


def _pause_tag(centiseconds: int, gap: str) -> str:
    """The separator between two words, with the duration of the pause if there is one."""
    return f"{{\\k{centiseconds}}}{gap}" if centiseconds else gap


def escaped(text: str) -> str:
    """Escape text so that no reader of the format interprets tags or line breaks: a word joiner separates a backslash
    from the next character, as in FFmpeg's writer, because the format has no escape for it."""
    return text.replace("\\", "\\\u2060").replace("{", "\\{").replace("}", "\\}")


def _clock(centiseconds: int) -> str:
    minutes, rest = divmod(centiseconds, 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"
