"""Projectors: encoder states -> fewer vectors of a language model's width, for its prompt.

Stacked frames (Llama-AVSR, Cappellazzo et al. 2024), the mean over frames of one unit (VSP-LLM, Yeo et al. 2024), a
stride of two (Zero-AVSR, Yeo et al. 2025), or learned queries, more for fast speech (MMS-LLaMA, Yeo et al. 2025;
`vsr.models.query_projector`). Settings of a kind are a frozen dataclass with ``build(dim, width)``, which makes a
`Projector`.

Shapes: B clips, T frames, D width of the states, N vectors of the longest clip, W width of the language model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vsr.core.numbers import COUNT, NOT_NEGATIVE
from vsr.core.registry import Registry
from vsr.data.batch import Batch
from vsr.models.lengths import length_mask, zero_padding
from vsr.models.limits import check_sizes
from vsr.models.registry import settings_of, split_kind


class ProjectorPart(Protocol):
    """Settings of a projector."""

    def build(self, dim: int, width: int) -> Projector: ...


PROJECTORS: Registry[type[ProjectorPart]] = Registry("projector", "vsr.projectors", "vsr.models.projector_kinds")


def projector_of(settings: Any) -> Any:
    """The typed settings of a projector, from {kind: ..., its settings} or a name. Raises ValueError."""
    return settings_of(PROJECTORS, *split_kind(settings, "projector"))


class Projector(nn.Module):
    """states (B, T, D), zero on padding, lengths (B,) -> vectors (B, N, W), zero on padding, and their counts (B,)."""

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def losses(self, states: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Auxiliary losses of the projector by name, means over the tokens of the batch."""
        return {}


def perceptron(in_width: int, hidden: int, width: int) -> nn.Module:
    """A linear layer, or two with a ReLU between them if ``hidden`` is not 0."""
    if not hidden:
        return nn.Linear(in_width, width)
    return nn.Sequential(nn.Linear(in_width, hidden), nn.ReLU(), nn.Linear(hidden, width))


class Stack(Projector):
    """Concatenation of every ``frames`` frames, the last ones padded with zeros; then one or two linear layers."""

    def __init__(self, dim: int, width: int, frames: int, hidden: int):
        super().__init__()
        self.frames = frames
        self.out = perceptron(frames * dim, hidden, width)

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        counts = lengths.add(self.frames - 1) // self.frames
        padded = F.pad(states, (0, 0, 0, -states.shape[1] % self.frames))
        vectors = self.out(padded.unflatten(1, (-1, self.frames)).flatten(2))
        return zero_padding(vectors, length_mask(counts, vectors.shape[1])), counts


class Strided(Projector):
    """A convolution over 3 frames with a stride of 2, a ReLU and two linear layers."""

    def __init__(self, dim: int, width: int, hidden: int):
        super().__init__()
        self.conv = nn.Conv1d(dim, hidden, 3, 2, 1)
        self.out = perceptron(hidden, hidden, width)

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        counts = lengths.add(1) // 2
        vectors = self.out(self.conv(states.transpose(1, 2)).transpose(1, 2).relu())
        return zero_padding(vectors, length_mask(counts, vectors.shape[1])), counts


class Deduplicated(Projector):
    """The mean over each run of frames with the same unit, the nearest of ``units`` centroids.

    Centroids are fitted to the states of training clips when training begins (`vsr.training.centroids`).
    """

    def __init__(self, dim: int, width: int, units: int, hidden: int):
        super().__init__()
        self.register_buffer("centroids", torch.zeros(units, dim))
        self.out = perceptron(dim, hidden, width)

    def units(self, states: Tensor) -> Tensor:
        """States (B, T, D) -> the unit of each frame, (B, T)."""
        return ((self.centroids**2).sum(-1) - 2 * states.float() @ self.centroids.T).argmin(-1)

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        units, mask = self.units(states), length_mask(lengths, states.shape[1])
        means, counts = means_of_runs(states, units, mask)
        return zero_padding(self.out(means), length_mask(counts, means.shape[1])), counts


def means_of_runs(states: Tensor, units: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """States (B, T, D), units (B, T) and mask (B, T) -> the mean of each run of one unit, (B, N, D), zero on padding,
    and the number of runs, (B,)."""
    begins = torch.ones_like(mask)
    begins[:, 1:] = units[:, 1:] != units[:, :-1]
    runs = ((begins & mask).cumsum(1) - 1).clamp(min=0)  # padding is in the last run, with weight 0
    counts = (begins & mask).sum(1)
    weights = mask[..., None].to(states.dtype)
    sums = states.new_zeros(len(states), int(counts.max()), states.shape[2])
    sums = sums.scatter_add(1, runs[..., None].expand_as(states), states * weights)
    frames = states.new_zeros(*sums.shape[:2], 1).scatter_add(1, runs[..., None], weights)
    return sums / frames.clamp(min=1), counts


@dataclass(frozen=True)
class StackSettings:
    """Settings of `Stack`; ``hidden`` 0: one layer."""

    frames: int = 3
    hidden: int = 0

    def __post_init__(self):
        check_sizes(self, frames=COUNT, hidden=NOT_NEGATIVE)

    def build(self, dim: int, width: int) -> Stack:
        return Stack(dim, width, self.frames, self.hidden)


@dataclass(frozen=True)
class StridedSettings:
    """Settings of `Strided`."""

    hidden: int = 1024

    def __post_init__(self):
        check_sizes(self, hidden=COUNT)

    def build(self, dim: int, width: int) -> Strided:
        return Strided(dim, width, self.hidden)


@dataclass(frozen=True)
class DedupSettings:
    """Settings of `Deduplicated`; ``clips``: number of training clips to whose states centroids are fitted."""

    units: int = 200
    hidden: int = 0
    clips: int = 200

    def __post_init__(self):
        check_sizes(self, units=COUNT, hidden=NOT_NEGATIVE, clips=COUNT)

    def build(self, dim: int, width: int) -> Deduplicated:
        return Deduplicated(dim, width, self.units, self.hidden)
