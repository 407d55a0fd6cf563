"""Whisper on CTranslate2, through faster-whisper, without PyTorch.

The model is a local folder or on the hub (`org/name[@revision]`); nothing is unpickled. Waves are (S,) float32, mono,
16 kHz.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.hub import fetch_files, is_hub_id
from vsr.core.packages import required_package

WEIGHTS = "model.bin"  # identifies a folder of CTranslate2
FILES = ("config.json", "tokenizer.json", "vocabulary.*")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
BEAM = 5  # beam of a transcript with word times


@dataclass(frozen=True)
class RecognisedWord:
    """A recognised word, its start and end in seconds, and its probability."""

    word: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Recognition:
    """A transcript. language: its code, with the probability of detection (1 if it was given); silence: the greatest
    no-speech probability of any segment with words; 1 if there are none."""

    words: tuple[RecognisedWord, ...]
    language: str
    language_probability: float
    silence: float


def located_whisper(name: str | Path) -> Path:
    """The folder of a Whisper for CTranslate2, downloaded if it is on the hub and not yet in the hub's cache.

    Raises VsrError: hub_missing, hub_denied, hub_offline; bad_model if it is no such Whisper.
    """
    if not is_hub_id(name):
        return Path(name)
    fetch_files(str(name), FILES)  # check before downloading large files
    return fetch_files(str(name), (WEIGHTS, *FILES), ("preprocessor_config.json",))


class FasterWhisper:
    """Whisper from a folder of CTranslate2: `model.bin`, `config.json`, `tokenizer.json` and the vocabulary.

    Decodes at temperature 0 and without context of previous text, so that results are reproducible. Raises VsrError
    bad_asr, missing_package.
    """

    def __init__(self, folder: str | Path):
        self.name = f"whisper:{Path(folder).resolve().name}"
        package = required_package("faster_whisper", "this Whisper", "pip install faster-whisper")
        try:
            self._model = package.WhisperModel(
                str(folder), device="cpu", compute_type="float32", cpu_threads=1, local_files_only=True
            )
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise VsrError("bad_asr", f"{folder}: no Whisper of CTranslate2 there ({reason})") from error

    def transcribe(self, wave: np.ndarray) -> str:
        """Greedy English transcript of a wave (S,), in lower-case words without punctuation."""
        segments, _ = self._model.transcribe(
            np.ascontiguousarray(wave, np.float32), language="en", beam_size=1, temperature=0.0,
            condition_on_previous_text=False, without_timestamps=True,
        )  # fmt: skip
        return in_words("".join(segment.text for segment in segments))

    def states(self, wave: np.ndarray) -> np.ndarray:
        """Encoder states (1500, W) float32, at 50 Hz, of the first 30 s of a wave (S,)."""
        features = self._model.feature_extractor(np.ascontiguousarray(wave, np.float32))
        window = self._model.feature_extractor.nb_max_frames
        padded = np.zeros((len(features), window), np.float32)
        padded[:, : features.shape[1]] = features[:, :window]
        return np.array(self._model.encode(padded), np.float32)[0]

    def hear(self, wave: np.ndarray, language: str = "") -> Recognition:
        """Words of a wave (S,) with times and probabilities; ``language``: a code such as "en", "" to detect it.

        Raises VsrError bad_config for a language that this Whisper does not support.
        """
        try:
            segments, info = self._model.transcribe(
                np.ascontiguousarray(wave, np.float32), language=language or None, beam_size=BEAM, temperature=0.0,
                condition_on_previous_text=False, word_timestamps=True,
            )  # fmt: skip
            segment_list = list(segments)
        except ValueError as error:
            raise VsrError("bad_config", f"{self.name}: {str(error).splitlines()[0][:100]}") from error
        words = tuple(
            RecognisedWord(word.word, round(float(word.start), 3), round(float(word.end), 3), float(word.probability))
            for segment in segment_list
            for word in segment.words or ()
        )
        silence = max((float(segment.no_speech_prob) for segment in segment_list if segment.words), default=1.0)
        return Recognition(words, info.language, float(info.language_probability), silence)


def in_words(text: str) -> str:
    """Text as spoken: without punctuation, each digit as a separate word ("F2" -> "f two")."""
    spaced = re.sub(r"[^a-z0-9']+", " ", text.lower())
    return " ".join(re.sub(r"[0-9]", lambda digit: f" {DIGITS[int(digit.group())]} ", spaced).split())
