"""Writes TTML, the subtitles of broadcasters, and EDL with markers for import in DaVinci Resolve."""

from __future__ import annotations

from pathlib import Path

from vsr.output.cues import Cue, cues
from vsr.output.transcript import Transcript
from vsr.output.xml_text import escape, quoteattr

FIRST_HOUR = 1  # hour at which a timeline of Resolve begins by default
USUAL_RATE = 25
NTSC = (24, 30, 48, 60, 120)  # rates that are also run a thousandth slower
SURE, GUESSED = "Blue", "Yellow"  # colours of markers; yellow where the lips are outside the model's domain


def to_ttml(transcript: Transcript) -> str:
    """TTML 1, with the same cues as other subtitles; the face is named if several speak."""
    rows = [
        f'      <p begin="{_clock(cue.start)}" end="{_clock(cue.end)}"{_agent(cue)}>'
        + "<br/>".join(escape(line) for line in cue.named_lines) + "</p>"
        for cue in cues(transcript)
    ]  # fmt: skip
    head = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttm="http://www.w3.org/ns/ttml#metadata" xml:lang="">',
        f"  <head><metadata>{_agents(transcript)}</metadata></head>",
    ]
    return "\n".join([*head, "  <body>", "    <div>", *rows, "    </div>", "  </body>", "</tt>"]) + "\n"


def _agents(transcript: Transcript) -> str:
    speakers = {f"face{cue.face + 1}": cue.speaker for cue in cues(transcript) if cue.speaker}
    return "".join(
        f'<ttm:agent xml:id={quoteattr(key)} type="person"><ttm:name type="full">{escape(name)}</ttm:name></ttm:agent>'
        for key, name in speakers.items()
    )


def _agent(cue: Cue) -> str:
    return f' ttm:agent="face{cue.face + 1}"' if cue.speaker else ""


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def to_edl(transcript: Transcript) -> str:
    """EDL with a marker for each cue, in time codes of the video's frame rate without drop frames.

    Resolve: Timelines > Import > Timeline Markers from EDL.
    """
    fps = exact_rate(transcript.fps or USUAL_RATE)
    rate = max(1, round(fps))  # at 29.97 frames a second, time codes count 30
    guessed_spans = [(s.start, s.end, s.face) for s in transcript.segments if s.outside_domain]
    lines = [f"TITLE: {' '.join(Path(transcript.file).stem.split())}", "FCM: NON-DROP FRAME", ""]
    for number, cue in enumerate(cues(transcript), start=1):
        first = round(cue.start * fps)
        length = max(1, round(cue.end * fps) - first)
        begin, end = _timecode(first, rate), _timecode(first + 1, rate)
        is_guess = any(face == cue.face and start <= cue.start < stop for start, stop, face in guessed_spans)
        text = " ".join(cue.named_lines).replace("|", "/")
        lines.append(f"{number:03d}  001      V     C        {begin} {end} {begin} {end}")
        lines += [f" |C:ResolveColor{GUESSED if is_guess else SURE} |M:{text} |D:{length}", ""]
    return "\n".join(lines)


def exact_rate(fps: float) -> float:
    """The rate of a timeline for a video of ``fps`` frames a second on average: a whole number, or 23.976, 29.97 and
    their multiples."""
    whole = max(1, round(fps))
    rates = [float(whole), whole * 1000 / 1001] if whole in NTSC else [float(whole)]
    return min(rates, key=lambda rate: abs(rate - fps))


def _timecode(frame: int, rate: int) -> str:
    seconds, frames = divmod(frame, rate)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours + FIRST_HOUR:02d}:{minutes:02d}:{seconds:02d}:{frames:02d}"
