"""Writes subtitles of older players and editing programs with pysubs2: SubStation Alpha, MicroDVD, MPL2.

The cues are those of SubRip. Characters that a format would interpret as markup are replaced by similar ones.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from vsr.core.packages import required_package
from vsr.output.cues import Cue, cues, face_name
from vsr.output.karaoke import FACE_COLOURS, escaped
from vsr.output.transcript import Transcript

if TYPE_CHECKING:
    from pysubs2 import SSAFile, SSAStyle

USUAL_RATE = 25.0  # of a video without a known frame rate
MARKUP = str.maketrans({"{": "(", "}": ")", "|": "¦", "\\": "∖", "/": "∕"})


def to_ssa(transcript: Transcript) -> str:
    """SubStation Alpha 4: each face has a style and a name; times are whole centiseconds."""
    subtitles = _subtitles(transcript, 10, lambda cue: [escaped(line) for line in cue.lines])
    subtitles.styles.clear()
    for face in transcript.faces:
        subtitles.styles[face_name(face)] = _style(face)
    return subtitles.to_string("ssa")


def _style(face: int) -> SSAStyle:
    pysubs2 = _pysubs2()
    blue, green, red = bytes.fromhex(FACE_COLOURS[face % len(FACE_COLOURS)])
    return pysubs2.SSAStyle(primarycolor=pysubs2.Color(red, green, blue))


def to_sub(transcript: Transcript) -> str:
    """MicroDVD: times in frames of the video, whose rate is in the first line; the face is named if several speak."""
    rate = transcript.fps or USUAL_RATE
    subtitles = _subtitles(transcript, 1000 / rate, _plain_lines)
    # pysubs2 writes the rate at {0}{0}, but players and its own reader expect {1}{1}.
    options = {"fps": rate, "write_fps_declaration": False, "apply_styles": False}
    return f"{{1}}{{1}}{rate:g}\n" + subtitles.to_string("microdvd", **options)


def to_mpl(transcript: Transcript) -> str:
    """MPL2: times in tenths of a second; the face is named if several speak."""
    return _subtitles(transcript, 100, _plain_lines).to_string("mpl2")


def _pysubs2() -> ModuleType:
    return required_package("pysubs2", "this format of subtitles")


def _plain_lines(cue: Cue) -> list[str]:
    return [line.translate(MARKUP) for line in cue.named_lines]


def _subtitles(transcript: Transcript, unit: float, lines_of: Callable[[Cue], list[str]]) -> SSAFile:
    """The cues with times in multiples of ``unit`` milliseconds, each at least one unit long. Raises VsrError
    missing_package."""
    pysubs2 = _pysubs2()
    subtitles = pysubs2.SSAFile()
    for cue in cues(transcript):
        first = round(cue.start * 1000 / unit)
        last = max(round(cue.end * 1000 / unit), first + 1)
        name = face_name(cue.face)
        times = {"start": round(first * unit), "end": round(last * unit)}
        subtitles.append(pysubs2.SSAEvent(**times, text="\\N".join(lines_of(cue)), style=name, name=name))
    return subtitles
