"""Whisper as CTranslate2 runs it, through faster-whisper: what is said, without PyTorch.

Its folder is here or on the hub (`org/name[@revision]`); nothing is unpickled. Waves are (S,) float32, mono, 16 kHz.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.hub import fetch_files, is_hub_id
from vsr.core.packages import needed

WEIGHTS = "model.bin"  # by which a folder of CTranslate2 is known
FILES = ("config.json", "tokenizer.json", "vocabulary.*")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
BEAM = 5  # of a transcript with times


@dataclass(frozen=True)
class HeardWord:
    """A word as it was written, its seconds, and the recogniser's probability of it."""

    word: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Heard:
    """What was heard. language: its code, with the probability where it was detected (1 where it was given); silence:
    the greatest probability, of any stretch with words, that nothing is said in it; 1 where there are none."""

    words: tuple[HeardWord, ...]
    language: str
    language_probability: float
    silence: float


def located_whisper(name: str | Path) -> Path:
    """The folder of a Whisper of CTranslate2, fetched if it is on the hub and not yet in the hub's cache.

    Raises VsrError: hub_missing, hub_denied, hub_offline; bad_model where that is no such Whisper.
    """
    if not is_hub_id(name):
        return Path(name)
    fetch_files(str(name), FILES)  # refused before anything large is fetched
    return fetch_files(str(name), (WEIGHTS, *FILES), ("preprocessor_config.json",))


class FasterWhisper:
    """Whisper from a folder of CTranslate2: `model.bin`, `config.json`, `tokenizer.json` and the vocabulary.

    At one temperature and without what was said before, so that a clip is heard the same in every run. Raises VsrError
    bad_asr, missing_package.
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
        """(S,) -> what was said in English, greedily, in words of lower case without punctuation."""
        segments, _ = self._model.transcribe(
            np.ascontiguousarray(wave, np.float32), language="en", beam_size=1, temperature=0.0,
            condition_on_previous_text=False, without_timestamps=True,
        )  # fmt: skip
        return in_words("".join(segment.text for segment in segments))

    def states(self, wave: np.ndarray) -> np.ndarray:
        """(S,) -> what the encoder makes of its first 30 s, (1500, W) float32, 50 states a second."""
        features = self._model.feature_extractor(np.ascontiguousarray(wave, np.float32))
        window = self._model.feature_extractor.nb_max_frames
        shown = np.zeros((len(features), window), np.float32)
        shown[:, : features.shape[1]] = features[:, :window]
        return np.array(self._model.encode(shown), np.float32)[0]

    def hear(self, wave: np.ndarray, language: str = "") -> Heard:
        """(S,) -> words with times and probabilities; ``language``: a code such as "en", "" to detect it.

        Raises VsrError bad_config for a language that this Whisper does not know.
        """
        try:
            segments, info = self._model.transcribe(
                np.ascontiguousarray(wave, np.float32), language=language or None, beam_size=BEAM, temperature=0.0,
                condition_on_previous_text=False, word_timestamps=True,
            )  # fmt: skip
            found = list(segments)
        except ValueError as error:
            raise VsrError("bad_config", f"{self.name}: {str(error).splitlines()[0][:100]}") from error
        words = tuple(
            HeardWord(own.word, round(float(own.start), 3), round(float(own.end), 3), float(own.probability))
            for segment in found
            for own in segment.words or ()
        )
        silence = max((float(segment.no_speech_prob) for segment in found if segment.words), default=1.0)
        return Heard(words, info.language, float(info.language_probability), silence)


def in_words(text: str) -> str:
    """Text as it is spoken: punctuation left out, digits one by one in words, apart from letters ("F2" -> "f two")."""
    apart = re.sub(r"[^a-z0-9']+", " ", text.lower())
    return " ".join(re.sub(r"[0-9]", lambda digit: f" {DIGITS[int(digit.group())]} ", apart).split())
