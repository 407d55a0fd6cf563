"""An emotion at each step as a condition, beside units of another's speech or lips: the emotion track of MAVFlow (Cho
et al. 2025).

Theirs is what a network reads in the face, frame by frame; here it is the name that a list gives a stretch of speech,
as the manifests of `lip2speech listener` for `--emotion` do, or that `lip2speech revoice --emotion` is given.

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
    """Which of several emotions each step has; none where none is named.

    Args:
        emotions: their names.
        drop: share of training clips to which it is not shown.
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
        """E."""
        return len(self.emotions)

    def load(self, clip: Clip, steps: int) -> np.ndarray:
        """(N, E) of the words of a clip that name emotions. Raises VsrError bad_manifest where none does."""
        found = np.zeros((steps, self.width), np.float32)
        for word, start, end in clip.words:
            if word in self.emotions:
                found[round(start * UNIT_RATE) : round(end * UNIT_RATE), self.emotions.index(word)] = 1
        if not found.any():
            raise VsrError("bad_manifest", f"{clip.id}: no word of it is an emotion: {', '.join(self.emotions)}")
        return found

    def named(self, name: str, steps: int) -> np.ndarray:
        """(N, E) of one emotion all the time. Raises VsrError bad_options, with those that there are."""
        if name not in self.emotions:
            known = ", ".join(sorted(self.emotions))
            raise VsrError("bad_options", f"this voice does not know the emotion '{name}': it can be {known}")
        return np.tile(np.eye(self.width, dtype=np.float32)[self.emotions.index(name)], (steps, 1))
