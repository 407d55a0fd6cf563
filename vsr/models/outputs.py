"""Outputs of the parts of a model in a forward pass, for heads that read something other than encoder states.

Such a head has an attribute ``reads``, the place of a module in the model: "ctc", "decoder",
"decoder.layers.-1.cross_attention". It stands behind the heads that call that module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

CONTEXT = "decoder.layers.-1.cross_attention"  # what each token takes from the states, (B, U + 1, D)


def part_of(model: nn.Module, place: str) -> nn.Module:
    """The module at a place, with numbers of layers from 0, or from -1 backwards. Raises ValueError."""
    found: Any = model
    for name in place.split("."):
        try:
            found = found[int(name)] if name.lstrip("-").isdigit() else getattr(found, name, None)
        except (IndexError, TypeError):
            found = None
        if not isinstance(found, nn.Module):
            raise ValueError(f"a head reads {place}, which this model does not have")
    return found


def sources_of(model: nn.Module) -> dict[str, str]:
    """The heads of a model that read another part than the encoder's states, and which."""
    return {name: head.reads for name, head in model.heads.items() if getattr(head, "reads", "")}


@contextmanager
def outputs(model: nn.Module, places: Iterable[str]) -> Iterator[dict[str, Any]]:
    """While it is open, what the module at each place last gave. Raises ValueError for a place that is not there."""
    found: dict[str, Any] = {}

    def keeper(place: str):
        return lambda module, given, output: found.__setitem__(place, output)

    handles = [part_of(model, place).register_forward_hook(keeper(place)) for place in sorted(set(places))]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
