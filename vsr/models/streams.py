"""Several modalities of the same clips, as a front end that reads more than one takes them.

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
        """(B,) bool: all clips have what is in ``inputs`` unless ``present`` says otherwise."""
        if modality in self.present:
            return self.present[modality]
        return torch.full((clips,), modality in self.inputs, dtype=torch.bool, device=device)


Given: TypeAlias = "Tensor | Streams"  # video alone, or several modalities


def streams_of(given: Given) -> Streams:
    """What a tensor of video means beside others: it alone is there."""
    return Streams({VIDEO: given}) if isinstance(given, Tensor) else given


def taken(batch: Batch, modalities: tuple[str, ...]) -> Streams:
    """Those of a batch's modalities that a model reads."""
    inputs = {name: own for name, own in batch.inputs.items() if name in modalities}
    return Streams(inputs, {name: batch.has(name) for name in modalities})


def frames_in(given: Given) -> int:
    """T, with padding."""
    return given.shape[1] if isinstance(given, Tensor) else next(iter(given.inputs.values())).shape[1]


def without_padding(given: Given, mask: Tensor) -> Given:
    """The same with zeros where ``mask`` (B, T) is False."""
    if isinstance(given, Tensor):
        return zero_padding(given, mask)
    return Streams({name: zero_padding(own, mask) for name, own in given.inputs.items()}, given.present)
