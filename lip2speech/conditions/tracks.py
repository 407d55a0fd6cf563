"""The conditions `pitch` and `energy` of the content model and the flow, separate from each other, from the content and
from the speaker (V2SFlow, Choi et al. 2025; HiCoDiT, 2026).

There they are classes that networks predict from the face, with the pitch normalised by speaker; here they are numbers
on an absolute scale, so that a pitch can be set. Without them, lips and speaker vector determine both.

Shapes: N steps of 50 Hz, each of two mel frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lip2speech.conditions.context import MELS_PER_STEP
from lip2speech.conditions.registry import CONDITIONS, CONTENT, FLOW
from vsr.core.numbers import SHARE, check_numbers

MIDDLE, SPAN = np.log(150.0), 0.35  # normalise the log of a pitch in Hz: between those of men and of women
QUIET, RANGE = -5.0, 2.0  # nepers: normalise the mean of a mel frame


class FromSound:
    """Base of conditions that are measured in a clip's audio, and not used in synthesis without audio."""

    per_frame = True
    places = (CONTENT, FLOW)


@CONDITIONS.register("pitch")
@dataclass(frozen=True)
class Pitch(FromSound):
    """Fundamental frequency of both frames of a step, and whether each is voiced; drop: share of clips without it."""

    drop: float = 0.1
    width = 2 * MELS_PER_STEP

    def __post_init__(self):
        check_numbers(self, "pitch.", drop=SHARE)

    def heard(self, features) -> np.ndarray:
        """The condition (N, 4) of a `lip2speech.features.stored.Features`. Raises VsrError missing_package."""
        return pitch_track(features.f0())


def pitch_track(f0: np.ndarray) -> np.ndarray:
    """The condition (N, 4) of a pitch (2N,) in Hz, 0 where unvoiced: two normalised pitches, then two voicing flags."""
    voiced = f0 > 0
    level = np.where(voiced, (np.log(np.maximum(f0, 1)) - MIDDLE) / SPAN, 0)
    pairs = (track.reshape(-1, MELS_PER_STEP) for track in (level, voiced))
    return np.concatenate(list(pairs), 1).astype(np.float32)


@CONDITIONS.register("energy")
@dataclass(frozen=True)
class Energy(FromSound):
    """Mean of the log-mel of both frames of a step; drop: share of clips without it."""

    drop: float = 0.1
    width = MELS_PER_STEP

    def __post_init__(self):
        check_numbers(self, "energy.", drop=SHARE)

    def heard(self, features) -> np.ndarray:
        """The condition (N, 2) of a `lip2speech.features.stored.Features`."""
        return ((features.mel.numpy().mean(1) - QUIET) / RANGE).reshape(-1, MELS_PER_STEP).astype(np.float32)
