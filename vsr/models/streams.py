"""Several modalities of the same clips: the input of a front end that reads more than one.

Shapes: B clips, T video frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from vsr.data.batch import Batch
from vsr.data.modalities import VIDEO
from vsr.models.lengths import zero_padding


@dataclass(frozen=True)
class Streams:
    """inputs: modality -> (B, T, ...); present: modality -> (B,) bool, the clips that have it."""

    inputs: dict[str, Tensor]
    present: dict[str, Tensor] = field(default_factory=dict)

    def has(self, modality: str, clips: int, device: torch.device) -> Tensor:
        """(B,) bool, the clips that have a modality: by default all, if it is in ``inputs``."""
        if modality in self.present:
            return self.present[modality]
        return torch.full((clips,), modality in self.inputs, dtype=torch.bool, device=device)


Inputs: TypeAlias = "Tensor | Streams"  # video alone, or several modalities


def streams_of(inputs: Inputs) -> Streams:
    """A tensor of video as `Streams` with no other modality; `Streams` unchanged."""
    return Streams({VIDEO: inputs}) if isinstance(inputs, Tensor) else inputs


def streams_of_batch(batch: Batch, modalities: tuple[str, ...]) -> Streams:
    """The modalities of a batch that a model reads, as `Streams`."""
    inputs = {name: x for name, x in batch.inputs.items() if name in modalities}
    return Streams(inputs, {name: batch.has(name) for name in modalities})


def frames_in(inputs: Inputs) -> int:
    """The number of frames T, padding included."""
    return inputs.shape[1] if isinstance(inputs, Tensor) else next(iter(inputs.inputs.values())).shape[1]


def without_padding(inputs: Inputs, mask: Tensor) -> Inputs:
    """The inputs with zeros where ``mask`` (B, T) is False."""
    if isinstance(inputs, Tensor):
        return zero_padding(inputs, mask)
    return Streams({name: zero_padding(x, mask) for name, x in inputs.inputs.items()}, inputs.present)
