"""The words of a script in a video, towards which the voice is pulled, and the record of where they were placed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.script import ScriptCue
from lip2speech.inference.script_alignment import LIPS, NOWHERE, PlacedWord, align_script, check_writable
from lip2speech.inference.synthetic_marks import SYNTHETIC
from lip2speech.inference.text import Text, check_words, resolve_text_source
from lip2speech.models.flow_options import FlowOptions
from vsr.core.errors import VsrError
from vsr.core.files import write_json
from vsr.output.transcript import TimedWord

SCRIPT = "script"


class ScriptText(Text):
    """The words of a script where they were placed; all have confidence 1, as they are what is to be said."""

    def __init__(self, placed: Sequence[PlacedWord], reader: str):
        words_by_face: dict[int, list[TimedWord]] = defaultdict(list)
        for word in placed:
            if word.how != NOWHERE:
                words_by_face[word.face].append(TimedWord(word.word, word.start, word.end, 1.0))
        super().__init__(dict(words_by_face))
        self.placed, self.reader_name = tuple(placed), reader

    def display_text(self) -> str:
        """The script on one line; words that do not fit the lips with a question mark."""
        return " ".join(word.word if word.how == LIPS else f"{word.word}(?)" for word in self.placed)

    def warning(self) -> str | None:
        """Which words do not fit, each with its mean log-probability, and which are not spoken."""
        spread = [word for word in self.placed if word.how not in (LIPS, NOWHERE)]
        unspoken = [word for word in self.placed if word.how == NOWHERE]
        parts = []
        if spread:
            listed = ", ".join(
                word.word + ("" if word.log_prob is None else f" {word.log_prob:.1f}") for word in spread
            )
            parts.append(f"{_count(spread)} spread, which the lips do not seem to say (mean log-probability): {listed}")
        if unspoken:
            cues = ", ".join(str(number) for number in sorted({word.cue for word in unspoken}))
            listed = " ".join(word.word for word in unspoken)
            parts.append(f"{_count(unspoken)} not spoken, as no lips speak in cue {cues}: {listed}")
        return "; ".join(parts) or None

    def entries(self) -> Iterator[tuple[int, TimedWord, bool, bool]]:
        """As of `Text`; guesses are words that were spread."""
        for word in self.placed:
            if word.how != NOWHERE:
                yield word.face, TimedWord(word.word, word.start, word.end, 1.0), word.how != LIPS, True


def _count(words: Sequence[PlacedWord]) -> str:
    return f"{len(words)} word{'s' if len(words) > 1 else ''}"


def open_script(loaded: LoadedVoice, cues: Sequence[ScriptCue], options: FlowOptions, path: str | Path) -> ScriptText:
    """Align the words of a script to a video, for the face that fills most of the frame in each shot.

    Raises VsrError no_listener, bad_options, bad_text for words that the voice or the reader does not know, and the
    errors of reading a video.
    """
    from vsr.inference.face_report import SILENT
    from vsr.inference.speech import encoded_windows

    resolve_text_source(loaded, SCRIPT, options)
    check_words(loaded, " ".join(word for cue in cues for word in cue.words))
    check_writable(loaded.reader, cues)
    try:
        parts = list(encoded_windows(loaded.reader, path))
    except VsrError as error:
        if error.reason not in SILENT:
            raise
        parts = []  # none of the words is spoken; the warning says so
    return ScriptText(align_script(loaded.reader, parts, cues), loaded.reader.name)


def placement_record(text: ScriptText, video: str | Path, seconds: float) -> dict[str, Any]:
    """Every word of the script in order, with its cue, mean log-probability and how it was placed; words that are not
    spoken have no times. ``seconds``: how much of the video is voiced; times are seconds in the video."""
    return {
        "video": str(video), "voice": SYNTHETIC, "seconds": round(seconds, 3),
        "reader": text.reader_name, "warning": text.warning() or "",
        "words": [_word_record(word) for word in text.placed],
    }  # fmt: skip


def _word_record(word: PlacedWord) -> dict[str, Any]:
    """One word of `placement_record`."""
    is_spoken = word.how != NOWHERE
    return {
        "cue": word.cue, "face": word.face, "word": word.word, "placed": word.how,
        "start": round(word.start, 3) if is_spoken else None, "end": round(word.end, 3) if is_spoken else None,
        "log_prob": None if word.log_prob is None else round(word.log_prob, 3),
    }  # fmt: skip


def write_placement(path: str | Path, text: ScriptText, video: str | Path, seconds: float) -> None:
    """Write `placement_record` as JSON. Raises VsrError not_writable, no_space."""
    write_json(path, placement_record(text, video, seconds))
