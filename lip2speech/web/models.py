"""The models of the page and of the API, loaded when first needed."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module

from lip2speech.inference.synthesis_options import NONE, READ
from vsr.core.machine import AUTO, check_precision


class Models:
    """The lip reader and the voice, loaded when first needed.

    Args:
        reader, voice: their folders, or names on the hub; None: those in the packages.
        precision: of the lip reader, as in `vsr.modelstore.folder.load_model`.

    Raises:
        VsrError: bad_model if a folder has no valid config; hub_missing, hub_denied, hub_offline. They are raised here,
            not at the first request.
    """

    def __init__(self, reader: str | None, voice: str | None, precision: str = AUTO):
        from lip2speech.inference.folder import ACOUSTIC, VOCODER, find_model
        from vsr.modelstore.checkpoint import read_config
        from vsr.modelstore.folder import find_model as find_reader

        check_precision(precision)
        self._precision = precision
        self._reader, self._voice = find_reader(reader), find_model(voice)
        for folder in (self._reader, self._voice / ACOUSTIC, self._voice / VOCODER):
            read_config(folder)

    @property
    def names(self) -> dict[str, str]:
        """Names of the models, by "reader" and "voice"."""
        from lip2speech.inference.folder import ACOUSTIC
        from vsr.modelstore.checkpoint import read_config

        reader, voice = read_config(self._reader), read_config(self._voice / ACOUSTIC)
        return {
            "reader": str(reader.get("name") or self._reader.name),
            "voice": str(voice.get("name") or f"{self._voice.name}-voice"),
        }

    @property
    def usual_text(self) -> str:
        """The default source of words for the voice: "read" if it has a listener, else "none"."""
        from lip2speech.inference.folder import ACOUSTIC, accepts_words

        return READ if accepts_words(self._voice / ACOUSTIC) else NONE

    @cached_property
    def reader(self):
        """A `vsr.modelstore.folder.LoadedModel`."""
        from vsr.modelstore.folder import load_model

        return load_model(self._reader, precision=self._precision)

    @cached_property
    def voice(self):
        """A `lip2speech.inference.folder.LoadedVoice`."""
        from lip2speech.inference.folder import load_model

        return load_model(self._voice)


def load_libraries() -> None:
    """Load large libraries before the first request, as Python blocks while it imports them."""
    from vsr.face.detector import default_detector

    for name in ("vsr.inference.transcriber", "lip2speech.inference.dubbing"):
        import_module(name)
    default_detector()
