"""Text to speech units: text -> phones by espeak -> units at 50 Hz for a voice that speaks units (TAEM's text part).

Every sentence is synthesised by itself, with a pause before and after it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lip2speech.features.phones import phones_in, scripts_in
from lip2speech.inference.text import text_in
from lip2speech.models.durations import durations_filling, rounded_durations
from lip2speech.models.parts import load_part
from lip2speech.models.text_units import PAUSE, TEXT, TextUnits, TextUnitsConfig
from lip2speech.models.translators import KIND
from vsr.core.clock import FPS, UNIT_RATE, UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.numbers import POSITIVE, check_number
from vsr.modelstore.checkpoint import read_config, stored_settings
from vsr.text.normalise import lower

END = re.compile(r"[.!?;:\u2026]+(?:\s+|$)|\n+")  # of a sentence
MOST, LONGEST = 500, 20.0  # limits of a sentence: phones, requested seconds


@dataclass(frozen=True)
class SpokenText:
    """``units`` (2T,) at 50 Hz; ``pace``: speed relative to the model's own durations."""

    units: tuple[int, ...]
    pace: float = 1.0


def text_config(folder: str | Path) -> TextUnitsConfig:
    """The config of a text-to-units model, without its weights. Raises VsrError bad_model for any other model."""
    config = read_config(Path(folder))
    if config.get(KIND) != TEXT:
        problem = "says no text: lip2speech train makes what does, of a configuration with model.kind: text"
        raise VsrError("bad_model", f"{folder} {problem}")
    return stored_settings(Path(folder), config, TextUnitsConfig)


def open_text_units(folder: str | Path) -> TextUnits:
    """Load a text-to-units model. Raises VsrError bad_model."""
    text_config(folder)
    return load_part(folder, TextUnits, TextUnitsConfig)[0]


def chosen_language(language: str | None, config: TextUnitsConfig) -> str:
    """The language to speak: ``language``, checked, or the model's only one for None. Raises VsrError bad_options."""
    languages = ", ".join(config.languages)
    if language is None and len(config.languages) > 1:
        raise VsrError("bad_options", f"--language is needed: this model says {languages}")
    if language not in (None, *config.languages):
        raise VsrError("bad_options", f"--language {language}: this model says {languages}")
    return language or config.languages[0]


def sentences_of(text_or_path: str) -> list[str]:
    """The sentences of a text or a file, without punctuation; a line break ends a sentence. Raises VsrError bad_text,
    unreadable."""
    if Path(text_or_path).suffix.lower() == ".txt" and not Path(text_or_path).is_file():
        raise VsrError("unreadable", f"{text_or_path}: no such file")
    sentences = [words for sentence in END.split(text_in(text_or_path)) if (words := lower(sentence))]
    if not sentences:
        raise VsrError("bad_text", "there are no words to say")
    return sentences


def phones_of_sentences(sentences: Sequence[str], language: str, config: TextUnitsConfig) -> list[list[str]]:
    """Phones of each sentence. Raises VsrError bad_text with the words that have no pronunciation, or one with phones
    unknown to the model; too_long, no_speech."""
    phones = [phones_in(sentence, language) for sentence in sentences]
    strange = set().union(*phones) - set(config.phones)  # from whole sentences: espeak spells single words such as "a"
    words = dict.fromkeys(word for sentence in sentences for word in sentence.split())
    unknown = [
        problem
        for word in words
        if (problem := unpronounceable(word, phones_in(word, language), strange, config.scripts))
    ]
    if unknown := unknown or sorted(strange):
        raise VsrError("bad_text", f"no pronunciation that the model has learned: {', '.join(unknown)}")
    if (longest := max(map(len, phones))) > MOST:
        raise VsrError("too_long", f"a sentence has {longest} sounds, more than {MOST}: end it sooner with a full stop")
    return phones


def unpronounceable(word: str, phones: Sequence[str], strange: set[str], scripts: Sequence[str]) -> str:
    """The word with its ``strange`` phones, for messages; "" if the word has none and can be spoken."""
    if not phones or not scripts_in([word]) <= set(scripts):
        return word  # espeak would say "Chinese letter"
    unknown = sorted(strange.intersection(phones))
    return f"{word} ({' '.join(unknown)})" if unknown else ""


def check_time(phones: Sequence[Sequence[str]], seconds: float) -> None:
    """Refuse a duration that is too short for the phones of the sentences, or far too long. Raises VsrError."""
    check_number("--duration", seconds, POSITIVE)
    least = sum(len(sentence) + 2 for sentence in phones) / UNIT_RATE
    if seconds < least:
        raise VsrError("too_short", f"--duration {seconds:g}: the sounds and pauses need {least:.2f} s at least")
    if seconds > LONGEST * len(phones):
        raise VsrError("too_long", f"--duration {seconds:g}: give at most {LONGEST:g} s for each sentence")


def say_text(
    model: TextUnits, phones: Sequence[Sequence[str]], language: str, seconds: float | None = None
) -> SpokenText:
    """Phones of sentences -> units in whole video frames, with the model's durations, or scaled to ``seconds``, rounded
    up to a frame. Raises VsrError too_short."""
    language_id = model.config.languages.index(language)
    ids = [[PAUSE, *model.config.ids(sentence), PAUSE] for sentence in phones]
    durations = [steps for sentence in ids for steps in model.predicted_durations(sentence, language_id)]
    counts = (
        rounded_durations(durations)
        if seconds is None
        else durations_filling(durations, UNITS_PER_FRAME * math.ceil(seconds * FPS))
    )
    counts[-1] += sum(counts) % UNITS_PER_FRAME
    units: list[int] = []
    for index, sentence in enumerate(ids):
        done = sum(map(len, ids[:index]))
        units += model.say(sentence, language_id, counts[done : done + len(sentence)])
    return SpokenText(tuple(units), sum(durations) / sum(counts))
