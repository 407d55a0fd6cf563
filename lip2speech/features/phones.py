"""Phones of a text, as espeak says it, and those of a clip with the 50 Hz steps that each lasts.

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
    """How espeak's voice of a language says a text, without pauses. Raises VsrError no_speech."""
    parted = ipa_of(text, language).translate(STRESS).replace(" ", "_").split("_")
    return [label for label in parted if label]


def scripts_in(texts: Iterable[str]) -> set[str]:
    """The scripts of the letters of texts, as Unicode calls them, such as LATIN."""
    return {name(sign).split()[0] for text in texts for sign in set(text) if sign.isalpha()}


def phones_of(clip: Clip, language: str) -> Spans:
    """Labels and times of a clip: those of its manifest, or espeak's of its words, which share a word's time evenly.

    Raises VsrError bad_manifest where neither phones nor words have times.
    """
    if clip.phones:
        return clip.phones
    found: list[tuple[str, float, float]] = []
    for word, start, end in clip.words:
        labels = phones_in(word, language)
        edges = np.linspace(start, end, len(labels) + 1).tolist()
        found += zip(labels, edges[:-1], edges[1:], strict=True)
    if not found:
        problem = "has no times of phones or words: vsr align finds those of words, vsr prepare puppet writes both"
        raise VsrError("bad_manifest", f"{clip.id} {problem}")
    return found


def steps_of(spans: Spans, steps: int) -> tuple[list[str], list[int]]:
    """Labels in the order of their times, with pauses where nothing is said, and how many of ``steps`` each lasts: at
    least 1, and as many as there are all in all. Raises ValueError where there are more labels than steps.
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
    places = np.arange(len(labels))
    edges = np.maximum.accumulate(np.array([0, *begins[1:]]) - places) + places  # each begins after the one before
    edges = np.minimum(edges, steps - len(labels) + places)  # and all those behind it have their step
    return labels, np.diff(edges, append=steps).tolist()
