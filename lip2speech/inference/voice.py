"""A voice that speaks for video files, as returned by `lip2speech.load_model`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lip2speech.inference import folder
from lip2speech.inference.dubbing import SpeakOptions, speak
from lip2speech.inference.folder import LoadedVoice
from lip2speech.inference.speakers import References
from lip2speech.inference.text import open_text
from lip2speech.models.flow_options import FlowOptions
from vsr.core.clock import SAMPLE_RATE
from vsr.core.progress import Watch


@dataclass
class SpeakingVoice(LoadedVoice):
    """A `LoadedVoice` that speaks."""

    @classmethod
    def from_pretrained(cls, name: str | Path | None = None, device: str = "cpu") -> SpeakingVoice:
        """Same as `load_model`, under the name common in other libraries; ``name``: a folder or a hub id."""
        return cls(**vars(folder.load_model(name, device)))

    def speak(
        self, path: str | Path, reference: References = None, options: FlowOptions | None = None,
        faces: str | int = "largest", watch: Watch | None = None, text: str | None = None,
    ) -> tuple[np.ndarray, int]:  # fmt: skip
        """Voice one video file; see `lip2speech.inference.dubbing.speak`; ``text``: the words, as for
        `lip2speech speak --text`. Returns (wave (S,), 16000)."""
        options = options or FlowOptions()
        words = open_text(self, text, options, path, faces)
        return speak(self, path, reference, SpeakOptions(options, faces), words, watch).wave, SAMPLE_RATE


def load_model(
    name: str | Path | None = None, device: str = "cpu", acoustic: str | Path | None = None,
    vocoder: str | Path | None = None,
) -> SpeakingVoice:  # fmt: skip
    """Load a voice; for arguments and errors see `lip2speech.inference.folder.load_model`."""
    return SpeakingVoice(**vars(folder.load_model(name, device, acoustic, vocoder)))
