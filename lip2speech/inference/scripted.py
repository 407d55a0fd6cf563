"""What a script says in a video, for the voice that is pulled towards it, and the record of where its words went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.placing import LIPS, NOWHERE, PlacedWord, check_writable, place_script
from lip2speech.inference.script import ScriptCue
from lip2speech.inference.synthetic import SYNTHETIC
from lip2speech.inference.text import Text, check_words, resolved
from lip2speech.models.flow_options import FlowOptions
from vsr.core.errors import VsrError
from vsr.core.files import write_json
from vsr.output.transcript import TimedWord

SCRIPT = "script"


class ScriptText(Text):
    """The words of a script where they were placed; all are certain: it is what is to be said."""

    def __init__(self, placed: Sequence[PlacedWord], reader: str):
        known: dict[int, list[TimedWord]] = defaultdict(list)
        for own in placed:
            if own.how != NOWHERE:
                known[own.face].append(TimedWord(own.word, own.start, own.end, 1.0))
        super().__init__(dict(known))
        self.placed, self.reader_name = tuple(placed), reader

    def shown(self) -> str:
        """The script on one line; words that do not fit the lips with a question mark."""
        return " ".join(own.word if own.how == LIPS else f"{own.word}(?)" for own in self.placed)

    def warning(self) -> str | None:
        """Which words do not fit, each with its mean log-probability, and which are not spoken."""
        loose = [own for own in self.placed if own.how not in (LIPS, NOWHERE)]
        left = [own for own in self.placed if own.how == NOWHERE]
        parts = []
        if loose:
            each = ", ".join(own.word + ("" if own.log_prob is None else f" {own.log_prob:.1f}") for own in loose)
            parts.append(f"{_count(loose)} spread, which the lips do not seem to say (mean log-probability): {each}")
        if left:
            cues = ", ".join(str(number) for number in sorted({own.cue for own in left}))
            each = " ".join(own.word for own in left)
            parts.append(f"{_count(left)} not spoken, as no lips speak in cue {cues}: {each}")
        return "; ".join(parts) or None

    def each(self) -> Iterator[tuple[int, TimedWord, bool, bool]]:
        """As of `Text`; guesses are words that were spread."""
        for own in self.placed:
            if own.how != NOWHERE:
                yield own.face, TimedWord(own.word, own.start, own.end, 1.0), own.how != LIPS, True


def _count(words: Sequence[PlacedWord]) -> str:
    return f"{len(words)} word{'s' if len(words) > 1 else ''}"


def open_script(loaded: LoadedVoice, cues: Sequence[ScriptCue], options: FlowOptions, path: str | Path) -> ScriptText:
    """The words of a script at their places in a video, of the face that fills most of the frame in each shot.

    Raises VsrError no_listener, bad_options, bad_text for words that the voice or the reader does not know, and what a
    video is refused for.
    """
    from vsr.inference.seen import SILENT
    from vsr.inference.speech import encoded

    resolved(loaded, SCRIPT, options)
    check_words(loaded, " ".join(word for cue in cues for word in cue.words))
    check_writable(loaded.reader, cues)
    try:
        parts = list(encoded(loaded.reader, path))
    except VsrError as error:
        if error.reason not in SILENT:
            raise
        parts = []  # none of the words is spoken, which is told
    return ScriptText(place_script(loaded.reader, parts, cues), loaded.reader.name)


def placed_record(text: ScriptText, video: str | Path, seconds: float) -> dict[str, Any]:
    """Every word of the script in its order, with its cue, its mean log-probability and how it was placed; words that
    are not spoken have no times. ``seconds`` of the video are voiced; times are seconds in the video."""
    return {
        "video": str(video), "voice": SYNTHETIC, "seconds": round(seconds, 3),
        "reader": text.reader_name, "warning": text.warning() or "",
        "words": [
            {
                "cue": own.cue, "face": own.face, "word": own.word, "placed": own.how,
                "start": None if own.how == NOWHERE else round(own.start, 3),
                "end": None if own.how == NOWHERE else round(own.end, 3),
                "log_prob": None if own.log_prob is None else round(own.log_prob, 3),
            }
            for own in text.placed
        ],
    }  # fmt: skip


def write_placed(path: str | Path, text: ScriptText, video: str | Path, seconds: float) -> None:
    """Write `placed_record` as JSON. Raises VsrError not_writable, no_space."""
    write_json(path, placed_record(text, video, seconds))
