"""Chooses the channels of a recording that carry the voice, so that it is not cancelled or masked in their mean.

Shapes: planes (C, n) float32 in [-1, 1]; wave (n,) float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

EMPTY = 5e-3  # share of the loudest channel's power below which a channel is empty
HEARD = 1e-2  # share of the loudest channel's power above which the front centre carries the dialogue
AS_LOUD = 0.9  # share of the loudest channel's power; the first such channel is taken, by convention the upright one
CANCELLED = 0.5  # share of the power that the mean of unrelated channels would have
OFTEN = 0.05  # share of the recording's power in stretches whose mean cancels
STRETCH = 1.0  # seconds
FRONT = (("FC",), ("FL", "FR"), ("FLC", "FRC"))  # front centre, then left and right


def planes_of(frame) -> np.ndarray:
    """The samples (C, n) float32 in [-1, 1] of an audio frame of any sample format."""
    samples = frame.to_ndarray()
    if samples.dtype.kind == "u":
        samples = samples.astype(np.float32) / 128 - 1
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    channels = len(frame.layout.channels)
    return samples if frame.format.is_planar else samples.reshape(-1, channels).T


def mono(frame, chosen: dict[str, list[int]]) -> np.ndarray:
    """The mean (n,) float32 of the channels of an audio frame that are chosen for its layout."""
    planes = planes_of(frame)
    channels = chosen.get(frame.layout.name)
    return (planes if channels is None else planes[channels]).mean(0).astype(np.float32)


def chosen_channels(frames: Iterable) -> dict[str, list[int]]:
    """Name of each layout in a recording -> indices of the channels to average.

    The front centre, if audible, carries the dialogue of a video, else left and right. Empty channels are left out. If
    channels cancel each other, such as those of a balanced line recorded as stereo, only the loudest is taken.
    """
    layouts: dict[str, _Layout] = {}
    for frame in frames:
        layout = layouts.setdefault(frame.layout.name, _Layout(_names(frame)))
        layout.add(planes_of(frame), max(1, round(STRETCH * frame.sample_rate)))
    return {name: layout.chosen() for name, layout in layouts.items()}


def _names(frame) -> list[str]:
    return [channel.name for channel in frame.layout.channels]


@dataclass
class _Layout:
    """Statistics of the frames of a layout. products: (C, C) summed products of the channels, one for each stretch."""

    names: list[str]
    products: list[np.ndarray] = field(default_factory=list)
    count: int = 0

    def add(self, planes: np.ndarray, stretch: int) -> None:
        """Add a frame (C, n); ``stretch``: samples per stretch."""
        if self.count >= stretch * len(self.products):
            self.products.append(np.zeros((len(planes), len(planes))))
        planes = np.nan_to_num(planes).astype(np.float64)
        self.products[-1] += planes @ planes.T
        self.count += planes.shape[1]

    def chosen(self) -> list[int]:
        """Indices of the channels to average."""
        powers = np.diag(sum(self.products))
        candidates = [k for k, name in enumerate(self.names) if name != "LFE"] or list(range(len(powers)))
        loudest = max(powers[candidates])
        groups = [[k for k in candidates if self.names[k] in group] for group in FRONT] + [candidates]
        group = next(indices for indices in groups if indices and max(powers[indices]) >= HEARD * loudest)
        channels = [k for k in group if powers[k] >= EMPTY * max(powers[group])]
        as_loud = [k for k in channels if powers[k] >= AS_LOUD * max(powers[channels])]
        return as_loud[:1] if self._cancel(channels) else channels

    def _cancel(self, channels: list[int]) -> bool:
        """Whether the mean of these channels loses much of their power in at least some stretches."""
        products = np.array([product[np.ix_(channels, channels)] for product in self.products])
        total_power, sum_power = np.trace(products, axis1=1, axis2=2), products.sum((1, 2))
        lost_power = total_power[sum_power < CANCELLED * total_power].sum()
        return bool(len(channels) > 1 and lost_power > OFTEN * total_power.sum())
