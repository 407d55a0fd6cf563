"""Training what becomes one part of a voice: a module whose settings rebuild it."""

from __future__ import annotations

from pathlib import Path

from lip2speech.models.parts import save_part
from vsr.training.loop import Run


class PartRun(Run):
    """`Run` of such a module."""

    def export(self, folder: Path) -> Path:
        """Write the averaged weights as a model folder (by rank 0 alone)."""
        if self.fabric.is_global_zero:
            save_part(folder, self.average.model, {"name": self.folder.name, "training": self.reached()})
        return folder
