"""Labels the clips of a recording with a recogniser, in pieces of a length suitable for training.

Unreliable labels are left out with a reason: no speech, another language, repeating words, low confidence.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from vsr.core.clock import FPS, SAMPLE_RATE
from vsr.core.errors import VsrError
from vsr.core.numbers import SHARE, Range, check_numbers
from vsr.corpora.pauses import MAX_SECONDS, cut_at_pauses
from vsr.data.manifest import Clip
from vsr.data.sound import natural_wave
from vsr.media.extent import frame_times
from vsr.media.whisper import RecognisedWord, Recognition, in_words
from vsr.text.normalise import alnum

NO_SPEECH, OTHER_LANGUAGE, LOW_CONFIDENCE = "no_speech", "other_language", "low_confidence"
REPEATED = "repeated"
LOOPED = 2.4  # compression ratio of a text from which Whisper is assumed to repeat itself (Radford et al. 2023)


class Recogniser(Protocol):
    """A recogniser with word times."""

    def hear(self, wave: np.ndarray, language: str = "") -> Recognition:
        """(S,) float32 at 16 kHz -> words with times."""
        ...


@dataclass(frozen=True)
class Rules:
    """language: of the recordings, "" to detect it; only: keep only clips in this detected language; confidence: least
    mean probability of a clip's words; silence: greatest probability of no speech; max_seconds: longer recordings are
    cut at pauses."""

    language: str = ""
    only: str = ""
    confidence: float = 0.5
    silence: float = 0.6
    max_seconds: float = MAX_SECONDS

    def __post_init__(self):
        check_numbers(self, "", confidence=SHARE, silence=SHARE, max_seconds=Range(above=0, most=3600))
        if self.language and self.only:
            raise VsrError(
                "bad_options", "--language states the language, --only keeps one that is detected: give one of them"
            )


@dataclass(frozen=True)
class Label:
    """A recognised clip: ``confidence`` is the mean probability of its words, ``words`` are (word, start, end,
    probability) in seconds from its start; ``reason``: why it is left out, "" if it is kept."""

    clip: Clip
    confidence: float
    words: tuple[tuple[str, float, float, float], ...]
    language: str
    language_probability: float
    silence: float
    reason: str = ""


def labels_of(clip: Clip, recogniser: Recogniser, rules: Rules) -> list[Label]:
    """The labels of a recording, one at least. Raises VsrError unreadable, no_sound."""
    wave = natural_wave(replace(clip, num_frames=0))
    recognition, seconds = recogniser.hear(wave, rules.language), len(wave) / SAMPLE_RATE
    spelling = in_words if recognition.language == "en" else alnum
    words = list(spoken_words(recognition.words, spelling, seconds))
    if not words:
        return [_label(clip, (), recognition, rules)]
    if seconds <= rules.max_seconds:
        return [_label(clip, words, recognition, rules)]
    return list(_pieces(clip, words, recognition, rules))


def spoken_words(
    words: Sequence[RecognisedWord], spelling: Callable[[str], str], seconds: float
) -> Iterator[tuple[str, float, float, float]]:
    """(word, start, end, probability) as spoken: the parts of a word that becomes several share its time, words that
    become none are left out; times increase and stay within the recording."""
    last = 0.0
    for word in words:
        parts = spelling(word.word).split()
        start = min(max(word.start, last), seconds)
        end = min(max(word.end, start), seconds)
        for number, part in enumerate(parts):
            part_start, part_end = (start + (end - start) * offset / len(parts) for offset in (number, number + 1))
            yield part, round(part_start, 3), round(part_end, 3), round(word.probability, 4)
        last = end if parts else last


def _pieces(clip: Clip, words: list, recognition: Recognition, rules: Rules) -> Iterator[Label]:
    """The pieces of a long recording, on its container's clock."""
    offset, index = _first_frame(clip), 0
    for number, piece in enumerate(cut_at_pauses([word[:3] for word in words], rules.max_seconds)):
        candidates = words[index : index + len(piece.words)]
        while [word for word, *_ in candidates] != [word for word, *_ in piece.words]:  # a too long word is in no piece
            index += 1
            candidates = words[index : index + len(piece.words)]
        index += len(piece.words)
        timed = [(word, a, b, row[3]) for (word, a, b), row in zip(piece.words, candidates, strict=True)]
        start, end = (round(offset + seconds, 3) for seconds in (piece.start, piece.end))
        part = replace(clip, id=f"{clip.id}_{number:03d}", start=start, end=min(end, clip.end) if clip.end else end)
        yield _label(part, timed, recognition, rules)


def _first_frame(clip: Clip) -> float:
    """Seconds on the container's clock at which the clip's sound begins."""
    try:
        return float(frame_times(clip.video, clip.start, clip.end)[0])
    except VsrError as error:
        if error.reason != "no_video":
            raise
        return round(clip.start * FPS) / FPS  # the start of its wave


def _label(
    clip: Clip, words: Sequence[tuple[str, float, float, float]], recognition: Recognition, rules: Rules
) -> Label:
    """The label of a clip with its text, and the reason if it is left out."""
    confidence = float(np.mean([word[3] for word in words])) if words else 0.0
    text = " ".join(word[0] for word in words)
    silence = recognition.silence if words else 1.0
    reason = _reason(text, confidence, recognition, rules)
    labelled = replace(clip, text=text, words=tuple(word[:3] for word in words))
    probability = round(recognition.language_probability, 4)
    return Label(
        labelled, round(confidence, 4), tuple(words), recognition.language, probability, round(silence, 4), reason
    )


def _reason(text: str, confidence: float, recognition: Recognition, rules: Rules) -> str:
    if not text or recognition.silence > rules.silence:
        return NO_SPEECH
    if rules.only and recognition.language != rules.only:
        return OTHER_LANGUAGE
    if compression(text) > LOOPED:
        return REPEATED
    return LOW_CONFIDENCE if confidence < rules.confidence else ""


def compression(text: str) -> float:
    """Compression ratio of a text by zlib."""
    data = text.encode("utf-8")
    return len(data) / len(zlib.compress(data))
