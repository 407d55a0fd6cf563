"""Lip to speech: the face in a silent video gets its voice back."""

import vsr  # noqa: F401  before torch, which it gives its settings
from lip2speech import moved

moved.install()


def load_model(name=None, device: str = "cpu"):
    """The voice in a folder, on the hub, or the one that ships with the package; as `lip2speech.inference.voice`."""
    from lip2speech.inference.voice import load_model

    return load_model(name, device)
