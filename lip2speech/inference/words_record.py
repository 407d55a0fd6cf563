"""The record of a voiced video, as JSON: each word with its times and confidence, and whether it shaped the voice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lip2speech.inference.synthetic_marks import SYNTHETIC
from lip2speech.inference.text import ReadText, Text
from vsr.core.files import write_json
from vsr.output.transcript import TimedWord
from vsr.output.unsure_words import LEAST


def words_record(text: Text, video: str | Path, seconds: float) -> dict[str, Any]:
    """The words in order of face and time (seconds in the video); ``seconds``: how much of the video is voiced.

    A word is unsure if it is more likely wrong than right, or a guess: read from lips out of the reader's domain.
    Words with ``shapes_voice`` shaped the voice, weighted by their confidence.
    """
    return {
        "video": str(video), "voice": SYNTHETIC, "seconds": round(seconds, 3),
        "reader": text.reader.name if isinstance(text, ReadText) else "", "warning": text.warning() or "",
        "words": [_word_record(*entry) for entry in text.entries()],
    }  # fmt: skip


def _word_record(face: int, word: TimedWord, guess: bool, shapes: bool) -> dict[str, Any]:
    """One word of `words_record`."""
    return {
        "face": face, "word": word.word, "start": round(word.start, 3), "end": round(word.end, 3),
        "confidence": round(word.confidence, 3), "unsure": guess or word.confidence < LEAST, "shapes_voice": shapes,
    }  # fmt: skip


def write_words_record(path: str | Path, text: Text, video: str | Path, seconds: float) -> None:
    """Write `words_record` as JSON. Raises VsrError not_writable, no_space."""
    write_json(path, words_record(text, video, seconds))
