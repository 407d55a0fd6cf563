"""Synthesises text to samples with the times of every phoneme and word, by the espeak-ng library through ctypes.

The library's event stream has the audio position of each phoneme, which its command line shows for
MBROLA voices only. Source of the interface: speak_lib.h of espeak-ng 1.51.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from vsr.core.errors import VsrError
from vsr.text.espeak import UTF8, espeak_library

PHONEMES_IN_TEXT = 0x100  # flag of espeak_Synth: allows [[phonemes]] in the text
RATE, VOLUME, PITCH, RANGE, WORD_GAP = 1, 2, 3, 4, 7  # parameters of espeak_SetParameter
EVENT_END, EVENT_WORD, EVENT_PHONEME = 0, 1, 7


class Unsayable(VsrError):
    """A sentence that espeak does not say word by word, for example when it joins two words."""

    def __init__(self, message: str):
        super().__init__("no_speech", message)

    def __reduce__(self):
        return type(self), (self.message,)


@dataclass(frozen=True)
class Voice:
    """How a sentence is spoken: espeak voice, words a minute, pitch 0-100, pause between words in 10 ms, range of the
    pitch 0-100, loudness (100: default)."""

    name: str = "en"
    rate: int = 150
    pitch: int = 50
    gap: int = 0
    spread: int = 50
    volume: int = 100


@dataclass(frozen=True)
class Span:
    """A phoneme (IPA) or a word with its times, in seconds from the start of the samples."""

    label: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """samples (n,) int16 at `rate` Hz, and the spans of its phonemes and words in order of time."""

    samples: np.ndarray
    rate: int
    phonemes: tuple[Span, ...]
    words: tuple[Span, ...]


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("message", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Synthesiser:
    """The loaded library. It keeps global state: use one instance per process, in one thread."""

    def __init__(self) -> None:
        self._library, self.rate = espeak_library()
        self._chunks: list[bytes] = []
        self._events: list[tuple[int, int, int, str]] = []
        self._callback = _CALLBACK(self._receive)  # kept alive here: the library has only its address
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, words: Sequence[str], spoken: Sequence[str], voice: Voice) -> Speech:
        """Say `spoken` (one string for each of `words`). Raises Unsayable if a word cannot be said.

        After texts written only as phonemes espeak may miss words of its first sentence, so that is said again.
        """
        try:
            return self._synthesise(words, spoken, voice)
        except VsrError:
            return self._synthesise(words, spoken, voice)

    def _synthesise(self, words: Sequence[str], spoken: Sequence[str], voice: Voice) -> Speech:
        self._configure(voice)
        self._chunks.clear()
        self._events.clear()
        text = " ".join(spoken).encode("utf-8")
        status = self._library.espeak_Synth(text, len(text) + 1, 0, 1, 0, UTF8 | PHONEMES_IN_TEXT, None, None)
        samples = np.frombuffer(b"".join(self._chunks), np.int16)
        if status != 0 or len(samples) == 0:
            raise Unsayable(f"espeak-ng cannot say {' '.join(words)!r} (status {status})")
        phonemes = self._phoneme_spans(len(samples))
        return Speech(samples, self.rate, phonemes, self._word_spans(words, spoken, phonemes))

    def _configure(self, voice: Voice) -> None:
        if self._library.espeak_SetVoiceByName(voice.name.encode("utf-8")) != 0:
            raise VsrError("no_speech", f"espeak-ng has no voice {voice.name!r}")
        parameters = {
            RATE: voice.rate, VOLUME: voice.volume, PITCH: voice.pitch, RANGE: voice.spread, WORD_GAP: voice.gap,
        }  # fmt: skip
        for parameter, value in parameters.items():
            self._library.espeak_SetParameter(parameter, value, 0)

    def _receive(self, samples, count, events) -> int:
        """Called by the library with a block of sound and its events; returns 0 to continue."""
        if count > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * count))
        for i in range(1 << 20):
            event = events[i]
            if event.type == EVENT_END:
                break
            label = event.id.string.decode("utf-8", "replace") if event.type == EVENT_PHONEME else ""
            self._events.append((event.type, event.text_position, event.sample, label))
        return 0

    def _phoneme_spans(self, num_samples: int) -> tuple[Span, ...]:
        """Spans of phonemes: each lasts until the next; pauses have an empty label and are left out."""
        marks = [(sample, label) for kind, _, sample, label in self._events if kind == EVENT_PHONEME]
        ends = [sample for sample, _ in marks[1:]] + [num_samples]
        return tuple(
            Span(label, start / self.rate, end / self.rate)
            for (start, label), end in zip(marks, ends, strict=True)
            if label and end > start
        )

    def _word_spans(self, words, spoken, phonemes) -> tuple[Span, ...]:
        """Spans of words, by their events' places in the text; each lasts until the next or the last phoneme's end."""
        starts: dict[int, float] = {}
        for kind, position, sample, _ in self._events:
            if kind == EVENT_WORD:
                starts.setdefault(_word_at(position, spoken), sample / self.rate)
        missing = [word for i, word in enumerate(words) if i not in starts]
        if missing or not phonemes:
            raise Unsayable(f"espeak-ng does not say {missing[0] if missing else words!r} as a word")
        bounds = [starts[i] for i in range(len(words))] + [phonemes[-1].end]
        return tuple(Span(word, bounds[i], bounds[i + 1]) for i, word in enumerate(words))


@lru_cache(maxsize=1)
def synthesiser() -> Synthesiser:
    """The synthesiser of this process."""
    return Synthesiser()


def _word_at(position: int, spoken: Sequence[str]) -> int:
    """Index of the word with character `position` (from 1) of the joined text."""
    end = 0
    for index, word in enumerate(spoken):
        end += len(word) + 1
        if position <= end:
            return index
    return len(spoken) - 1
