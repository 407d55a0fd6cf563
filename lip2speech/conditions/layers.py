"""Layers that conditions add to a network, which they leave unchanged at first."""

from __future__ import annotations

from torch import nn


def zeroed(layer: nn.Linear) -> nn.Linear:
    """Set the weights of a layer to zero (adaLN-zero, Peebles and Xie 2023) and return it."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
