"""Named conditions, added to the input of a network.

Shapes: B batch, N steps of 50 Hz, C width of the condition, W width of the network.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from lip2speech.conditions.layers import zeroed
from lip2speech.conditions.registry import FLOW, Condition
from lip2speech.conditions.traits import places_of

UsedConditions = Mapping[str, Tensor] | Collection[str] | None


class ConditionProjection(nn.Module):
    """One condition: its null, and a projection initialised to zero, so that weights trained without the condition
    give the same output, to the bit."""

    def __init__(self, width: int, dim: int):
        super().__init__()
        self.null = nn.Parameter(torch.zeros(width))
        self.project = zeroed(nn.Linear(width, dim))

    def forward(self, value: Tensor | None, keep: Tensor, query: Tensor) -> Tensor:
        """value (B, N, C) or (B, C), None where it is missing; keep (B,) bool -> (B, N, W) or (B, 1, W)."""
        if value is None:
            return self.project(self.null).expand(len(keep), 1, -1)
        value = value if value.dim() == 3 else value[:, None]
        return self.project(torch.where(keep[:, None, None], value, self.null))


def module_of(condition: Condition, dim: int) -> nn.Module:
    """The module that adds a condition to a network of width W: its own, or by default `ConditionProjection`."""
    build = getattr(condition, "build", None)
    return build(dim) if build else ConditionProjection(condition.width, dim)


class Conditions(nn.ModuleDict):
    """All named conditions of one network.

    Args:
        conditions: of the model, by name.
        dim: W of the network.
        place: which network it is; conditions of other networks are left out.
    """

    def __init__(self, conditions: Mapping[str, Condition], dim: int, place: str = FLOW):
        used = {name: condition for name, condition in conditions.items() if place in places_of(condition)}
        super().__init__({name: module_of(condition, dim) for name, condition in used.items()})

    def add(self, query: Tensor, values: Mapping[str, Tensor], used: UsedConditions) -> Tensor | float:
        """The sum of all conditions to add to a network's input, (B, N, W) or (B, 1, W), or 0.0.

        Args:
            query: (B, N, W), the queries of conditions that use cross-attention.
            values: name -> (B, N, C), (B, U, C) or (B, C); a missing one is replaced by its null.
            used: name -> (B,) bool, or the names of those that are used for all clips; None: all.
        """
        total: Tensor | float = 0.0
        for name, module in self.items():
            total = total + module(values.get(name), _is_used(name, used, query), query)
        return total


def _is_used(name: str, used: UsedConditions, query: Tensor) -> Tensor:
    """Mask (B,) of the clips for which a condition is used."""
    if isinstance(used, Mapping):
        return used[name]
    return query.new_full((len(query),), used is None or name in used, dtype=torch.bool)


def draw_used(conditions: Mapping[str, Condition], count: int, device: torch.device) -> dict[str, Tensor]:
    """Draw for each condition the mask (count,) of training clips for which it is used; conditions are dropped
    independently of each other, but together for all networks."""
    return {name: torch.rand(count, device=device) >= condition.drop for name, condition in conditions.items()}
