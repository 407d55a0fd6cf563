"""Phones of a text, from espeak, and phones of a clip with their durations in steps of 50 Hz.

A phone is an IPA label of espeak without stress, such as "aɪ" or "ts"; "" is a pause.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from unicodedata import name

import numpy as np

from vsr.core.clock import UNIT_RATE
from vsr.core.errors import VsrError
from vsr.data.manifest import Clip
from vsr.text.espeak import ipa_of

STRESS = str.maketrans("", "", "ˈˌ")
Spans = Sequence[tuple[str, float, float]]


def phones_in(text: str, language: str) -> list[str]:
    """Phones of a text by espeak's voice of a language, without pauses. Raises VsrError no_speech."""
    labels = ipa_of(text, language).translate(STRESS).replace(" ", "_").split("_")
    return [label for label in labels if label]


def scripts_in(texts: Iterable[str]) -> set[str]:
    """The scripts of the letters in texts, by their Unicode names, such as LATIN."""
    return {name(character).split()[0] for text in texts for character in set(text) if character.isalpha()}


def phones_of(clip: Clip, language: str) -> Spans:
    """Phones of a clip with times: those of its manifest, or espeak's for its words, which divide a word's time evenly.

    Raises VsrError bad_manifest where neither phones nor words have times.
    """
    if clip.phones:
        return clip.phones
    phones: list[tuple[str, float, float]] = []
    for word, start, end in clip.words:
        labels = phones_in(word, language)
        edges = np.linspace(start, end, len(labels) + 1).tolist()
        phones += zip(labels, edges[:-1], edges[1:], strict=True)
    if not phones:
        problem = "has no times of phones or words: vsr align finds those of words, vsr prepare puppet writes both"
        raise VsrError("bad_manifest", f"{clip.id} {problem}")
    return phones


def steps_of(spans: Spans, steps: int) -> tuple[list[str], list[int]]:
    """Labels of ``spans`` in order of time, with pauses in between, and their durations: at least 1 step each, and
    ``steps`` in sum. Raises ValueError where there are more labels than steps.
    """
    marks: list[tuple[str, int]] = []  # label, first step
    end = 0
    for label, start, stop in spans:
        begin = round(start * UNIT_RATE)
        marks += [("", end), (label, begin)] if begin > end else [(label, begin)]
        end = round(stop * UNIT_RATE)
    marks += [("", end)] if steps > end else []
    if len(marks) > steps:
        raise ValueError(f"{len(marks)} phones and pauses in {steps} steps of 20 ms")
    labels, begins = [label for label, _ in marks], [begin for _, begin in marks]
    indices = np.arange(len(labels))
    edges = np.maximum.accumulate(np.array([0, *begins[1:]]) - indices) + indices  # each begins after the one before
    edges = np.minimum(edges, steps - len(labels) + indices)  # and leaves a step for each that follows
    return labels, np.diff(edges, append=steps).tolist()
