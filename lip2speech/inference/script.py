"""A script for a video: plain text, or the timed cues of a SubRip file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from vsr.core.errors import VsrError, cause_of
from vsr.text.normalise import lower

SRT, TXT = ".srt", ".txt"
CLOCK = r"(\d+):(\d\d):(\d\d)[,.](\d{1,3})"
TIMES = re.compile(rf"^\s*{CLOCK}\s*-->\s*{CLOCK}.*$", re.MULTILINE | re.ASCII)
MARKUP = re.compile(r"<[^>]*>|\{[^}]*\}")
EVER = float("inf")


@dataclass(frozen=True)
class ScriptCue:
    """Words (lower case, no punctuation) and the times between which they are said (seconds of the video)."""

    words: tuple[str, ...]
    start: float = -EVER
    end: float = EVER


def read_script(path: str | Path) -> list[ScriptCue]:
    """The cues of a .srt in the order of their times, or the whole of a .txt as one cue without times.

    Raises VsrError bad_text: other suffix, not UTF-8, no such file, no words, no cues, a cue ends before it begins.
    """
    path = Path(path)
    if path.suffix.lower() not in (SRT, TXT):
        raise VsrError("bad_text", f"{path}: a script is a {SRT} or a {TXT} file")
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = cause_of(error, "not UTF-8")
        raise VsrError("bad_text", f"{path} cannot be read as a script: {why}") from error
    cues = _cues(path, text) if path.suffix.lower() == SRT else [ScriptCue(words_of(text))]
    cues = [cue for cue in cues if cue.words]
    if not cues:
        raise VsrError("bad_text", f"{path}: there are no words in the script")
    return sorted(cues, key=lambda cue: cue.start)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, without subtitle mark-up."""
    return tuple(lower(MARKUP.sub(" ", text)).split())


def _cues(path: Path, text: str) -> list[ScriptCue]:
    timings = list(TIMES.finditer(text))
    if not timings:
        raise VsrError("bad_text", f"{path}: no cue with a time such as 00:00:01,000 --> 00:00:02,500")
    ends = [timing.start() for timing in timings[1:]] + [len(text)]
    cues = []
    for number, (timing, end) in enumerate(zip(timings, ends, strict=True), start=1):
        start, stop = _seconds(timing.groups()[:4]), _seconds(timing.groups()[4:])
        if stop <= start:
            raise VsrError("bad_text", f"{path}: cue {number} ends before it begins: {timing[0].strip()}")
        last = number == len(timings)
        cues.append(ScriptCue(words_of(_without_number(text[timing.end() : end], last)), start, stop))
    return cues


def _without_number(block: str, last: bool) -> str:
    """The lines of a cue, without the number of the next cue that ends the block."""
    lines = block.rstrip().splitlines()
    return "\n".join(lines[:-1] if not last and lines and lines[-1].strip().isdigit() else lines)


def _seconds(clock) -> float:
    hours, minutes, seconds, part = clock
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds) + int(part.ljust(3, "0")) / 1000
