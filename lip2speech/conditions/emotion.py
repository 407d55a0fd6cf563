"""The condition `emotion`: an emotion at each step, in addition to units or lips: the emotion track of MAVFlow (Cho et
al. 2025).

There a network predicts it from each frame of the face; here it is the emotion that a manifest names for a span of
speech, as for `lip2speech listener`, or the one in `lip2speech revoice --emotion`.

Shapes: N steps of 50 Hz, E emotions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lip2speech.conditions.registry import CONDITIONS, CONTENT, FLOW
from vsr.core.clock import UNIT_RATE
from vsr.core.errors import VsrError
from vsr.core.numbers import SHARE, check_numbers
from vsr.data.manifest import Clip


@CONDITIONS.register("emotion")
@dataclass(frozen=True)
class EmotionTrack:
    """One-hot emotion of each step; zero where none is named.

    Args:
        emotions: their names.
        drop: share of training clips without it.
    """

    emotions: tuple[str, ...] = ()
    drop: float = 0.1
    per_frame = True
    places = (CONTENT, FLOW)
    felt = True

    def __post_init__(self):
        object.__setattr__(self, "emotions", tuple(self.emotions))
        check_numbers(self, "emotion.", drop=SHARE)
        if not self.emotions or len(set(self.emotions)) < len(self.emotions):
            raise ValueError("emotion.emotions must be given, each once")

    @property
    def width(self) -> int:
        """E, the number of emotions."""
        return len(self.emotions)

    def load(self, clip: Clip, steps: int) -> np.ndarray:
        """The condition (N, E) from the words of a clip that name emotions. Raises VsrError bad_manifest where none
        does."""
        track = np.zeros((steps, self.width), np.float32)
        for word, start, end in clip.words:
            if word in self.emotions:
                track[round(start * UNIT_RATE) : round(end * UNIT_RATE), self.emotions.index(word)] = 1
        if not track.any():
            raise VsrError("bad_manifest", f"{clip.id}: no word of it is an emotion: {', '.join(self.emotions)}")
        return track

    def named(self, name: str, steps: int) -> np.ndarray:
        """The condition (N, E) of one emotion throughout. Raises VsrError bad_options, which lists the emotions."""
        if name not in self.emotions:
            names = ", ".join(sorted(self.emotions))
            raise VsrError("bad_options", f"this voice does not know the emotion '{name}': it can be {names}")
        return np.tile(np.eye(self.width, dtype=np.float32)[self.emotions.index(name)], (steps, 1))
