"""What a voice was made to say, for programs: each word with its times and confidence, and whether it shaped it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lip2speech.inference.synthetic import SYNTHETIC
from lip2speech.inference.text import ReadText, Text
from vsr.core.files import write_json
from vsr.output.unsure import LEAST


def said_record(text: Text, video: str | Path, seconds: float) -> dict[str, Any]:
    """Words in the order of their faces and times, which are seconds in the video; ``seconds`` of the video are voiced.

    A word is unsure if it is more likely wrong than right, or a guess: read of lips unlike those of the reader's
    training. The voice was shaped by the words with ``shapes_voice``, each as far as its confidence goes.
    """
    return {
        "video": str(video), "voice": SYNTHETIC, "seconds": round(seconds, 3),
        "reader": text.reader.name if isinstance(text, ReadText) else "", "warning": text.warning() or "",
        "words": [
            {
                "face": face, "word": word.word, "start": round(word.start, 3), "end": round(word.end, 3),
                "confidence": round(word.confidence, 3), "unsure": guess or word.confidence < LEAST,
                "shapes_voice": shapes,
            }
            for face, word, guess, shapes in text.each()
        ],
    }  # fmt: skip


def write_said(path: str | Path, text: Text, video: str | Path, seconds: float) -> None:
    """Write `said_record` as JSON. Raises VsrError not_writable, no_space."""
    write_json(path, said_record(text, video, seconds))
