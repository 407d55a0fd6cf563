"""A model that reads video files: what `vsr.load_model` gives."""

from __future__ import annotations

from dataclasses import dataclass

from vsr.core.machine import AUTO
from vsr.inference.transcriber import transcribe
from vsr.modelstore import folder
from vsr.modelstore.folder import LoadedModel
from vsr.output.transcript import Transcript


@dataclass
class Reader(LoadedModel):
    """A `LoadedModel` that transcribes."""

    @classmethod
    def from_pretrained(cls, name=None, device: str = "cpu", precision: str = AUTO) -> Reader:
        """A reader by folder, published name or hub id, as `load_model` takes them; the name that others know it by."""
        return cls(**vars(folder.load_model(name, device, precision)))

    def transcribe(self, path, options=None, faces: str | int = "largest", **more) -> Transcript:
        """Read the lips in one video file; see `vsr.inference.transcriber.transcribe`."""
        return transcribe(self, path, options, faces, **more)


def load_model(name=None, device: str = "cpu", precision: str = AUTO) -> Reader:
    """A lip reader; arguments and errors as of `vsr.modelstore.folder.load_model`."""
    return Reader.from_pretrained(name, device, precision)
