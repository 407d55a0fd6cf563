"""A model with its objective, as one module: what a training step calls, and what several processes share."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

Objective = Callable[[nn.Module, object], dict[str, Tensor]]


class Step(nn.Module):
    """Args: model: what is trained; objective: (model, batch) -> losses, of which "loss" is descended."""

    def __init__(self, model: nn.Module, objective: Objective):
        super().__init__()
        self.model = model
        self.objective = objective

    def loss(self, batch) -> dict[str, Tensor]:
        """The losses of a batch."""
        return self.objective(self.model, batch)
