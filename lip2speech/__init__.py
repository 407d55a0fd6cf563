"""Lip to speech: the face in a silent video gets its voice back."""


def load_model(folder=None, device: str = "cpu"):
    """The model in a folder, or the one that ships with the package; see `lip2speech.hub.load_model`."""
    from lip2speech.hub import load_model

    return load_model(folder, device)
