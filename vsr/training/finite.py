"""Steps without a finite gradient: they are skipped and counted, and a run that has no other steps is stopped."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import torch
from torch import nn

from vsr.core.errors import VsrError

PATIENCE = 50  # skipped steps in a row that stop a run, or all batches of an epoch if it has fewer


class Finite:
    """Counts the skipped steps of a run."""

    def __init__(self):
        self.skipped = 0  # since the last `pop_skipped`
        self.in_a_row = 0

    def note(self, is_finite: bool) -> None:
        """Count a step, skipped unless its gradient ``is_finite``."""
        self.in_a_row = 0 if is_finite else self.in_a_row + 1
        self.skipped += not is_finite

    def pop_skipped(self) -> int:
        """The number of steps skipped since the last call."""
        count, self.skipped = self.skipped, 0
        return count

    def is_lost(self, batches: int, is_scaled: bool = False) -> bool:
        """Whether too many steps in a row were skipped, in an epoch of ``batches`` batches. In 16-mixed (``is_scaled``)
        each skipped step halves the scale of the gradients, and some may be skipped before they fit."""
        return self.in_a_row >= (PATIENCE if is_scaled else min(PATIENCE, max(2, batches)))

    def error(self, step: int, folder: Path) -> VsrError:
        """The error that ends the run."""
        why = f"the training is lost: {self.in_a_row} steps up to step {step} had no finite gradient"
        return VsrError("not_finite", f"{why}. Begin {folder} again with a lower optim.lr or more optim.warmup_steps")


class Statistics:
    """The statistics of a model that a forward pass itself updates, such as the running means of batch normalisation.

    A skipped step must leave no trace in them: one infinite activation would stay in a running mean for ever.

    Args:
        model: the trained model.
        names: of the tensors of its state that training changes; other buffers are constants.
    """

    def __init__(self, model: nn.Module, names: Container[str]):
        self.buffers = [buffer for name, buffer in model.named_buffers() if name in names]
        self.kept = [buffer.clone() for buffer in self.buffers]

    def keep(self) -> None:
        """Remember the statistics as they are before a step."""
        self._copy(self.kept, self.buffers)

    def restore(self) -> None:
        """Set the statistics back to those of the last `keep`."""
        self._copy(self.buffers, self.kept)

    @torch.no_grad()
    def _copy(self, to: list[torch.Tensor], source: list[torch.Tensor]) -> None:
        if to:  # PyTorch refuses an empty list
            torch._foreach_copy_(to, source)
