"""Text -> phones by espeak -> units of 50 Hz, which a voice that speaks units says (TAEM's text part).

Every sentence is said by itself, with a pause before and after it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lip2speech.features.phones import phones_in, scripts_in
from lip2speech.inference.text import text_in
from lip2speech.models.durations import filling, free
from lip2speech.models.parts import load_part
from lip2speech.models.text_units import PAUSE, TEXT, TextUnits, TextUnitsConfig
from lip2speech.models.translators import KIND
from vsr.core.clock import FPS, UNIT_RATE, UNITS_PER_FRAME
from vsr.core.errors import VsrError
from vsr.core.numbers import POSITIVE, check_number
from vsr.modelstore.checkpoint import read_config, stored_settings
from vsr.text.normalise import lower

END = re.compile(r"[.!?;:\u2026]+(?:\s+|$)|\n+")  # of a sentence
MOST, LONGEST = 500, 20.0  # phones of a sentence; seconds that may be asked for a sentence


@dataclass(frozen=True)
class SaidText:
    """``units`` (2T,) of 50 Hz; ``pace``: how many times as fast as the model would have said it."""

    units: tuple[int, ...]
    pace: float = 1.0


def text_config(folder: str | Path) -> TextUnitsConfig:
    """The numbers of a model that says text; its weights are not read. Raises VsrError bad_model for any other."""
    config = read_config(Path(folder))
    if config.get(KIND) != TEXT:
        problem = "says no text: lip2speech train makes what does, of a configuration with model.kind: text"
        raise VsrError("bad_model", f"{folder} {problem}")
    return stored_settings(Path(folder), config, TextUnitsConfig)


def open_text_units(folder: str | Path) -> TextUnits:
    """A model that says text. Raises VsrError bad_model."""
    text_config(folder)
    return load_part(folder, TextUnits, TextUnitsConfig)[0]


def chosen_language(given: str | None, config: TextUnitsConfig) -> str:
    """A language that a model says, its only one where none is given. Raises VsrError bad_options."""
    known = ", ".join(config.languages)
    if given is None and len(config.languages) > 1:
        raise VsrError("bad_options", f"--language is needed: this model says {known}")
    if given not in (None, *config.languages):
        raise VsrError("bad_options", f"--language {given}: this model says {known}")
    return given or config.languages[0]


def sentences_of(given: str) -> list[str]:
    """The sentences of a text, or of a file, without punctuation; a line ends one, too. Raises VsrError bad_text."""
    if Path(given).suffix.lower() == ".txt" and not Path(given).is_file():
        raise VsrError("unreadable", f"{given}: no such file")
    found = [words for own in END.split(text_in(given)) if (words := lower(own))]
    if not found:
        raise VsrError("bad_text", "there are no words to say")
    return found


def phones_of_sentences(sentences: Sequence[str], language: str, config: TextUnitsConfig) -> list[list[str]]:
    """Phones of each sentence. Raises VsrError bad_text with the words that have no pronunciation, or one with sounds
    that the model has not learnt; too_long, no_speech."""
    each = [phones_in(own, language) for own in sentences]
    strange = set().union(*each) - set(config.phones)  # of whole sentences: alone, espeak spells words such as "a"
    words = dict.fromkeys(word for own in sentences for word in own.split())
    odd = [named for word in words if (named := unsaid(word, phones_in(word, language), strange, config.scripts))]
    if odd := odd or sorted(strange):
        raise VsrError("bad_text", f"no pronunciation that the model has learned: {', '.join(odd)}")
    if (longest := max(map(len, each))) > MOST:
        raise VsrError("too_long", f"a sentence has {longest} sounds, more than {MOST}: end it sooner with a full stop")
    return each


def unsaid(word: str, phones: Sequence[str], strange: set[str], scripts: Sequence[str]) -> str:
    """A word with its ``strange`` phones; "" where it has none, and can be said."""
    if not phones or not scripts_in([word]) <= set(scripts):
        return word  # espeak says "Chinese letter" for it
    own = sorted(strange.intersection(phones))
    return f"{word} ({' '.join(own)})" if own else ""


def check_time(phones: Sequence[Sequence[str]], seconds: float) -> None:
    """Refuse a time that is too short for the phones of sentences, or far too long. Raises VsrError."""
    check_number("--duration", seconds, POSITIVE)
    least = sum(len(own) + 2 for own in phones) / UNIT_RATE
    if seconds < least:
        raise VsrError("too_short", f"--duration {seconds:g}: the sounds and pauses need {least:.2f} s at least")
    if seconds > LONGEST * len(phones):
        raise VsrError("too_long", f"--duration {seconds:g}: give at most {LONGEST:g} s for each sentence")


def say_text(
    model: TextUnits, phones: Sequence[Sequence[str]], language: str, seconds: float | None = None
) -> SaidText:
    """Phones of sentences -> units in whole video frames: as long as the model would say them, or so that a wave of as
    many seconds can be cut from them. Raises VsrError too_short."""
    place = model.config.languages.index(language)
    ids = [[PAUSE, *model.config.ids(own), PAUSE] for own in phones]
    wanted = [steps for own in ids for steps in model.lasting(own, place)]
    counts = free(wanted) if seconds is None else filling(wanted, UNITS_PER_FRAME * math.ceil(seconds * FPS))
    counts[-1] += sum(counts) % UNITS_PER_FRAME
    units: list[int] = []
    for number, own in enumerate(ids):
        done = sum(map(len, ids[:number]))
        units += model.say(own, place, counts[done : done + len(own)])
    return SaidText(tuple(units), sum(wanted) / sum(counts))
