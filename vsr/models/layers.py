"""States of an encoder's layers below the last, for heads that read them (inter-CTC, Lee and Watanabe 2021).

Shapes: B clips, T frames, D width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

LAST = 0  # as a layer: the encoder's output


def check_layer(encoder: nn.Module, layer: int) -> None:
    """Raises ValueError if the encoder does not have this layer, counted from 1."""
    layers = getattr(encoder, "layers", ())
    if layer and not 0 < layer <= len(layers):
        raise ValueError(f"layer is {layer}; this encoder has {f'1 to {len(layers)}' if len(layers) else 'no layers'}")


@contextmanager
def record_layers(encoder: nn.Module, layers: Iterable[int]) -> Iterator[dict[int, Tensor]]:
    """Context with the last output of each of the layers (from 1): layer -> (B, T, D)."""
    states: dict[int, Tensor] = {}

    def recorder(layer: int):
        return lambda module, args, output: states.__setitem__(layer, output)

    handles = [encoder.layers[layer - 1].register_forward_hook(recorder(layer)) for layer in set(layers) - {LAST}]
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()
