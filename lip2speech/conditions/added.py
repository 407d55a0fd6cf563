"""A named condition, added to what the flow's network reads.

Shapes: B batch, N steps of 50 Hz, C width of the condition, W width of the network.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from lip2speech.conditions.registry import Condition


class Added(nn.Module):
    """One condition: its null, and a projection that begins at zero, so that weights from before it give what they
    gave, to the bit."""

    def __init__(self, condition: Condition, dim: int):
        super().__init__()
        self.drop = condition.drop
        self.null = nn.Parameter(torch.zeros(condition.width))
        self.project = nn.Linear(condition.width, dim)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, value: Tensor, keep: Tensor) -> Tensor:
        """value (B, N, C) or (B, C), keep (B,) bool -> (B, N, W) or (B, 1, W)."""
        value = value if value.dim() == 3 else value[:, None]
        return self.project(torch.where(keep[:, None, None], value, self.null))


class Conditions(nn.ModuleDict):
    """All named conditions of a model."""

    def __init__(self, conditions: Mapping[str, Condition], dim: int):
        super().__init__({name: Added(own, dim) for name, own in conditions.items()})

    def add(self, x: Tensor, values: Mapping[str, Tensor], shown: Collection[str] | None = None) -> Tensor | float:
        """What is to be added to x (B, N, W), or 0.0: the sum of all, of which each is dropped by itself.

        Args:
            values: name -> (B, N, C) or (B, C); one that is missing is not shown.
            shown: names of those that are shown; None draws, as in training.
        """
        total: Tensor | float = 0.0
        for name, own in self.items():
            keep = self._kept(len(x), own.drop, None if shown is None else name in shown, x.device) & (name in values)
            value = values.get(name, own.null.expand(len(x), -1))
            total = total + own(value, keep)
        return total

    @staticmethod
    def _kept(count: int, drop: float, shown: bool | None, device) -> Tensor:
        if shown is not None:
            return torch.full((count,), shown, dtype=torch.bool, device=device)
        return torch.rand(count, device=device) >= drop
