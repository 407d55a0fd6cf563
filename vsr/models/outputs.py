"""Outputs of a model's modules in a forward pass, for heads that read something other than encoder states.

Such a head has an attribute ``reads``, the path of a module in the model: "ctc", "decoder",
"decoder.layers.-1.cross_attention". It runs after the heads that call that module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

CONTEXT = "decoder.layers.-1.cross_attention"  # context vector of each token, (B, U + 1, D)


def part_of(model: nn.Module, place: str) -> nn.Module:
    """The module at a path, with layers numbered from 0, or backwards from -1. Raises ValueError if there is none."""
    module: Any = model
    for name in place.split("."):
        try:
            module = module[int(name)] if name.lstrip("-").isdigit() else getattr(module, name, None)
        except (IndexError, TypeError):
            module = None
        if not isinstance(module, nn.Module):
            raise ValueError(f"a head reads {place}, which this model does not have")
    return module


def sources_of(model: nn.Module) -> dict[str, str]:
    """Head name -> path of the module that it reads, for heads that do not read the encoder's states."""
    return {name: head.reads for name, head in model.heads.items() if getattr(head, "reads", "")}


@contextmanager
def outputs(model: nn.Module, places: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Context with the last output of the module at each path, by path. Raises ValueError for a missing module."""
    last_outputs: dict[str, Any] = {}

    def recorder(place: str):
        return lambda module, args, output: last_outputs.__setitem__(place, output)

    handles = [part_of(model, path).register_forward_hook(recorder(path)) for path in sorted(set(places))]
    try:
        yield last_outputs
    finally:
        for handle in handles:
            handle.remove()
