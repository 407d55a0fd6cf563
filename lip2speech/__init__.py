"""Lip to speech: from a silent video of a talking face to its voice."""

import vsr  # noqa: F401  before torch, which it gives its settings
from lip2speech import moved

moved.install()


def load_model(name=None, device: str = "cpu"):
    """A voice from a folder, from the hub, or the one in the package; see `lip2speech.inference.voice`."""
    from lip2speech.inference.voice import load_model

    return load_model(name, device)
