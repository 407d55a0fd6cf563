"""What a voice is told of a stretch of lips, beside the lips themselves and whose voice it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lip2speech.models.emotion_options import Emotion
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.pull import Said


@dataclass(frozen=True)
class Directions:
    """How T video frames are voiced.

    Args:
        options: of the flow.
        said: the words, by their times after the first frame.
        sound: (640 T,) of the recording, to be cleaned or, with the steps that are ``known`` (2T,) bool, filled in.
        noisy: what becomes of a sound that is cleaned, one of `lip2speech.inference.options.NOISY`.
        emotion: how it is to feel.
    """

    options: FlowOptions = field(default_factory=FlowOptions)
    said: Sequence[Said] = ()
    sound: np.ndarray | None = None
    known: np.ndarray | None = None
    noisy: str | None = None
    emotion: Emotion | None = None
