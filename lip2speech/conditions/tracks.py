"""Pitch and loudness of a clip's sound as conditions of the content model and the flow, apart from each other, from the
content and from the speaker (V2SFlow, Choi et al. 2025; HiCoDiT, 2026).

Theirs are classes that networks predict from the face, of a pitch normalised by speaker; here they are the numbers, on
an absolute scale, so that a voice can be asked for a pitch. Without them a voice speaks as its lips and vector say.

Shapes: N steps of 50 Hz, each of two mel frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lip2speech.conditions.registry import CONDITIONS, CONTENT, FLOW
from vsr.core.numbers import SHARE, check_numbers
from vsr.data.manifest import Clip

MELS_PER_STEP = 2
MIDDLE, SPAN = np.log(150.0), 0.35  # of the logarithm of a pitch in Hz: between those of men and of women
QUIET, RANGE = -5.0, 2.0  # nepers: of the mean of a mel frame


class FromSound:
    """What is measured in the sound of a clip, and is not shown to it when it is spoken without one."""

    per_frame = True
    places = (CONTENT, FLOW)

    def load(self, clip: Clip, steps: int) -> np.ndarray:
        """Never asked for: the dataset asks `heard`."""
        raise NotImplementedError


@CONDITIONS.register("pitch")
@dataclass(frozen=True)
class Pitch(FromSound):
    """Fundamental frequency of both frames of a step, and whether each is voiced. drop: share of clips without it."""

    drop: float = 0.1
    width = 2 * MELS_PER_STEP

    def __post_init__(self):
        check_numbers(self, "pitch.", drop=SHARE)

    def heard(self, features) -> np.ndarray:
        """(N, 4) of a `lip2speech.features.stored.Features`. Raises VsrError missing_package."""
        return pitch_track(features.f0())


def pitch_track(f0: np.ndarray) -> np.ndarray:
    """(2N,) Hz, 0 where nothing is voiced -> (N, 4): the pitches of a step, 0 where unvoiced, then what is voiced."""
    voiced = f0 > 0
    height = np.where(voiced, (np.log(np.maximum(f0, 1)) - MIDDLE) / SPAN, 0)
    pairs = (own.reshape(-1, MELS_PER_STEP) for own in (height, voiced))
    return np.concatenate(list(pairs), 1).astype(np.float32)


@CONDITIONS.register("energy")
@dataclass(frozen=True)
class Energy(FromSound):
    """Mean of the log-mel of both frames of a step. drop: share of clips without it."""

    drop: float = 0.1
    width = MELS_PER_STEP

    def __post_init__(self):
        check_numbers(self, "energy.", drop=SHARE)

    def heard(self, features) -> np.ndarray:
        """(N, 2) of a `lip2speech.features.stored.Features`."""
        return ((features.mel.numpy().mean(1) - QUIET) / RANGE).reshape(-1, MELS_PER_STEP).astype(np.float32)
