"""A model with its objective, as one module, which a training step calls and data parallel training wraps."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper

from torch import Tensor, nn

from vsr.data.batch import Batch
from vsr.models.lipreader import LipReader, LipReaderConfig

Losses = dict[str, Tensor]
Objective = Callable[[nn.Module, object], Losses]


class Step(nn.Module):
    """Args: model: the trained model; objective: (model, batch) -> losses, of which "loss" is minimised."""

    def __init__(self, model: nn.Module, objective: Objective):
        super().__init__()
        self.model = model
        self.objective = objective

    def loss(self, batch) -> dict[str, Tensor]:
        """The losses of a batch."""
        return self.objective(self.model, batch)


class HasRequirements:
    """An objective with requirements: ``needs(config)`` raises ValueError for a model that does not meet them."""

    def __init__(self, objective: Callable[[LipReader, Batch], Losses], needs: Callable[[LipReaderConfig], None]):
        self.objective, self.needs = objective, needs
        update_wrapper(self, objective)

    def __call__(self, model: LipReader, batch: Batch) -> Losses:
        return self.objective(model, batch)


def demands(
    needs: Callable[[LipReaderConfig], None],
) -> Callable[[Callable[[LipReader, Batch], Losses]], HasRequirements]:
    """A decorator that adds requirements to an objective, as `HasRequirements`."""
    return lambda objective: HasRequirements(objective, needs)
