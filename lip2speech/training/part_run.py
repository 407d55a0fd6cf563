"""Training of one part of a voice: a module that can be rebuilt from its settings."""

from __future__ import annotations

from pathlib import Path

from lip2speech.models.parts import save_part
from vsr.training.loop import Run


class PartRun(Run):
    """`Run` of a module that is saved with `save_part`."""

    def export(self, folder: Path) -> Path:
        """Write the averaged weights as a model folder (only on rank 0)."""
        if self.fabric.is_global_zero:
            save_part(folder, self.average.model, {"name": self.folder.name, "training": self.training_record()})
        return folder
