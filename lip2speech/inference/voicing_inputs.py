"""The inputs for voicing a stretch of lips, besides the crop and the speaker embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from lip2speech.models.emotion_options import Emotion
from lip2speech.models.flow_options import FlowOptions
from lip2speech.models.pull import SpokenWord


@dataclass(frozen=True)
class VoicingInputs:
    """How T video frames are voiced.

    Args:
        options: of the flow.
        words: with times relative to the first frame.
        sound: (640 T,) of the recording, to be cleaned, or to be filled in outside the ``known_steps`` (2T,) bool.
        noisy: how the sound is cleaned, one of `lip2speech.inference.synthesis_options.NOISY`.
        emotion: of the voice.
    """

    options: FlowOptions = field(default_factory=FlowOptions)
    words: Sequence[SpokenWord] = ()
    sound: np.ndarray | None = None
    known_steps: np.ndarray | None = None
    noisy: str | None = None
    emotion: Emotion | None = None
