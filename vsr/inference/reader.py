"""A model that reads video files, as returned by `vsr.load_model`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.core.machine import AUTO
from vsr.decoding.options import DecodeOptions
from vsr.inference.transcriber import transcribe
from vsr.modelstore import folder
from vsr.modelstore.folder import LoadedModel
from vsr.output.transcript import Transcript


@dataclass
class Reader(LoadedModel):
    """A `LoadedModel` that transcribes."""

    @classmethod
    def from_pretrained(cls, name: str | Path | None = None, device: str = "cpu", precision: str = AUTO) -> Reader:
        """The same as `load_model`, by its name in other libraries: a folder, a published name or a hub id."""
        return cls(**vars(folder.load_model(name, device, precision)))

    def transcribe(
        self, path: str | Path, options: DecodeOptions | None = None, faces: str | int = "largest", **more: Any
    ) -> Transcript:
        """Read the lips in one video file; see `vsr.inference.transcriber.transcribe`."""
        return transcribe(self, path, options, faces, **more)


def load_model(name: str | Path | None = None, device: str = "cpu", precision: str = AUTO) -> Reader:
    """A lip reader; for arguments and errors see `vsr.modelstore.folder.load_model`."""
    return Reader.from_pretrained(name, device, precision)
