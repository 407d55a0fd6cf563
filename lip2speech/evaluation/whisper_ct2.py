"""Whisper as CTranslate2 runs it, through faster-whisper: a second scorer, from a local folder, without PyTorch."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.packages import needed

WEIGHTS = "model.bin"  # by which a folder of CTranslate2 is known
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class FasterWhisper:
    """Whisper from a folder of CTranslate2: `model.bin`, `config.json`, `tokenizer.json` and the vocabulary.

    Greedy, in English, at one temperature and without what was said before, so that a clip is heard the same in every
    run. Nothing is fetched, and nothing in the folder is unpickled. Raises VsrError bad_asr, missing_package.
    """

    def __init__(self, folder: str | Path):
        self.name = f"whisper:{Path(folder).resolve().name}"
        package = needed("faster_whisper", "this Whisper", "pip install faster-whisper")
        try:
            self._model = package.WhisperModel(
                str(folder), device="cpu", compute_type="float32", cpu_threads=1, local_files_only=True
            )
        except (OSError, RuntimeError, ValueError) as error:
            what = str(error).splitlines()[0]
            raise VsrError("bad_asr", f"{folder}: no Whisper of CTranslate2 there ({what})") from error

    def transcribe(self, wave: np.ndarray) -> str:
        """(S,) float32 at 16 kHz -> what was said, in words of lower case without punctuation."""
        segments, _ = self._model.transcribe(
            np.ascontiguousarray(wave, np.float32), language="en", beam_size=1, temperature=0.0,
            condition_on_previous_text=False, without_timestamps=True,
        )  # fmt: skip
        return in_words("".join(segment.text for segment in segments))


def in_words(text: str) -> str:
    """Text as it is spoken: punctuation left out, digits one by one in words, apart from letters ("F2" -> "f two")."""
    apart = re.sub(r"[^a-z0-9']+", " ", text.lower())
    return " ".join(re.sub(r"[0-9]", lambda digit: f" {DIGITS[int(digit.group())]} ", apart).split())
