"""A named condition, added to the input of a network.

Shapes: B batch, N steps of 50 Hz, C width of the condition, W width of the network.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from lip2speech.conditions.registry import FLOW, Condition
from lip2speech.conditions.traits import places_of

Shown = Mapping[str, Tensor] | Collection[str] | None


class Added(nn.Module):
    """One condition: its null, and a projection that begins at zero, so that weights from before it give what they
    gave, to the bit."""

    def __init__(self, width: int, dim: int):
        super().__init__()
        self.null = nn.Parameter(torch.zeros(width))
        self.project = nn.Linear(width, dim)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, value: Tensor | None, keep: Tensor, query: Tensor) -> Tensor:
        """value (B, N, C) or (B, C), None where it is not there; keep (B,) bool -> (B, N, W) or (B, 1, W)."""
        if value is None:
            return self.project(self.null).expand(len(keep), 1, -1)
        value = value if value.dim() == 3 else value[:, None]
        return self.project(torch.where(keep[:, None, None], value, self.null))


def module_of(condition: Condition, dim: int) -> nn.Module:
    """What adds a condition to a network of width W: its own module, or a projection of its numbers."""
    own = getattr(condition, "build", None)
    return own(dim) if own else Added(condition.width, dim)


class Conditions(nn.ModuleDict):
    """All named conditions of one network.

    Args:
        conditions: of the model, by name.
        dim: W of the network.
        place: which network it is; conditions that do not go there are left out.
    """

    def __init__(self, conditions: Mapping[str, Condition], dim: int, place: str = FLOW):
        kept = {name: own for name, own in conditions.items() if place in places_of(own)}
        super().__init__({name: module_of(own, dim) for name, own in kept.items()})

    def add(self, query: Tensor, values: Mapping[str, Tensor], shown: Shown) -> Tensor | float:
        """What is to be added to a network's input, (B, N, W) or (B, 1, W), or 0.0: the sum of all.

        Args:
            query: (B, N, W) that a condition without times of its own may look from.
            values: name -> (B, N, C), (B, U, C) or (B, C); one that is missing is not shown.
            shown: name -> (B,) bool, or the names of those that all clips are shown; None: all.
        """
        total: Tensor | float = 0.0
        for name, own in self.items():
            total = total + own(values.get(name), _kept(name, shown, query), query)
        return total


def _kept(name: str, shown: Shown, query: Tensor) -> Tensor:
    """(B,) bool: the clips that a condition is shown to."""
    if isinstance(shown, Mapping):
        return shown[name]
    return query.new_full((len(query),), shown is None or name in shown, dtype=torch.bool)


def drawn(conditions: Mapping[str, Condition], count: int, device: torch.device) -> dict[str, Tensor]:
    """Which of so many training clips each condition is shown to, (count,) bool; each is dropped by itself, and for all
    networks together."""
    return {name: torch.rand(count, device=device) >= own.drop for name, own in conditions.items()}
