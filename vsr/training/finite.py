"""Steps without a finite gradient: they change nothing, they are counted, and a run that has no others is stopped."""

from __future__ import annotations

from pathlib import Path

from vsr.core.errors import VsrError

PATIENCE = 50  # such steps one after another, or all batches of an epoch where it has fewer


class Finite:
    """Counts what a run has skipped."""

    def __init__(self):
        self.skipped = 0  # since the last `take`
        self.in_a_row = 0

    def note(self, finite: bool) -> None:
        """A step is over."""
        self.in_a_row = 0 if finite else self.in_a_row + 1
        self.skipped += not finite

    def take(self) -> int:
        """How many steps were skipped since the last call."""
        found, self.skipped = self.skipped, 0
        return found

    def lost(self, batches: int) -> bool:
        """Whether there is nothing more to hope for, in an epoch of so many steps."""
        return self.in_a_row >= min(PATIENCE, max(2, batches))

    def error(self, step: int, folder: Path) -> VsrError:
        """The line that ends the run."""
        why = f"the training is lost: {self.in_a_row} steps up to step {step} had no finite gradient"
        return VsrError("not_finite", f"{why}. Begin {folder} again with a lower optim.lr or more optim.warmup_steps")
