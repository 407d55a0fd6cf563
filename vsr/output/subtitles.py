"""Writers of all transcript formats: txt, srt, vtt, json and tsv here, the others from modules of `vsr.output`."""

from __future__ import annotations

import html
import json
from collections.abc import Callable

from vsr.output.annotation import to_eaf, to_textgrid
from vsr.output.broadcast import to_edl, to_ttml
from vsr.output.cues import Cue, cues
from vsr.output.karaoke import to_ass
from vsr.output.players import to_mpl, to_ssa, to_sub
from vsr.output.scoring import to_ctm, to_rttm
from vsr.output.transcript import TimedWord, Transcript


def to_txt(transcript: Transcript) -> str:
    """One line of text for each face that spoke."""
    return transcript.text + "\n"


def to_srt(transcript: Transcript) -> str:
    """SubRip; the speaker is named if several faces speak."""
    blocks = []
    for number, cue in enumerate(cues(transcript), start=1):
        lines = "\n".join(cue.named_lines)
        blocks.append(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{lines}\n")
    return "\n".join(blocks)


def to_vtt(transcript: Transcript, word_class: Callable[[TimedWord], str] | None = None) -> str:
    """WebVTT with a time before each word; the voice is named if several faces speak. ``word_class`` gives each word a
    class, by which a page's style sheet can colour it."""
    blocks = ["WEBVTT\n"]
    for cue in cues(transcript):
        voice = f"<v {cue.speaker}>" if cue.speaker else ""
        times = f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}"
        blocks.append(f"{times}\n{voice}{_timed_lines(cue, word_class)}\n")
    return "\n".join(blocks)


def _timed_lines(cue: Cue, word_class: Callable[[TimedWord], str] | None) -> str:
    """The cue's lines, with a time stamp before each word where the format allows it: strictly after the previous time
    and before the end of the cue."""
    last = round(cue.start * 1000)
    lines = []
    for words in cue.word_lines:
        marked = []
        for word in words:
            start = round(word.start * 1000)
            stamp = f"<{_clock(start / 1000, '.')}>" if last < start < round(cue.end * 1000) else ""
            last = max(last, start)
            text = html.escape(word.word, quote=False)
            marked.append(stamp + (f"<c.{word_class(word)}>{text}</c>" if word_class else text))
        lines.append(" ".join(marked))
    return "\n".join(lines)


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


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
    "ssa": to_ssa,
    "sub": to_sub,
    "mpl": to_mpl,
    "json": to_json,
    "tsv": to_tsv,
    "ttml": to_ttml,
    "ctm": to_ctm,
    "rttm": to_rttm,
    "textgrid": to_textgrid,
    "eaf": to_eaf,
    "edl": to_edl,
}
