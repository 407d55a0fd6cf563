"""Lip to speech: from a silent video of a talking face to its voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import vsr  # noqa: F401  before torch, which it gives its settings
from lip2speech import moved

if TYPE_CHECKING:
    from pathlib import Path

    from lip2speech.inference.voice import SpeakingVoice

moved.install()


def load_model(name: str | Path | None = None, device: str = "cpu") -> SpeakingVoice:
    """A voice from a folder, from the hub, or the one in the package; see `lip2speech.inference.voice`."""
    from lip2speech.inference.voice import load_model

    return load_model(name, device)
