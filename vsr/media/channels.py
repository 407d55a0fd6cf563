"""Which channels of a recording carry the voice: what is averaged to one channel must not cancel or drown it.

Shapes: planes (C, n) float32 in [-1, 1]; wave (n,) float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

EMPTY = 5e-3  # of the power of the loudest channel: beside that one a channel is empty
HEARD = 1e-2  # of the power of the loudest channel: the front centre carries the dialogue
AS_LOUD = 0.9  # of the power of the loudest channel: the first of those is taken, by convention the upright one
CANCELLED = 0.5  # of the power that channels without a relation leave in their mean
OFTEN = 0.05  # share of the power of the recording in stretches whose mean cancels
STRETCH = 1.0  # seconds
FRONT = (("FC",), ("FL", "FR"), ("FLC", "FRC"))  # front centre, then left and right


def planes_of(frame) -> np.ndarray:
    """An audio frame of any sample format -> (C, n) float32 in [-1, 1]."""
    samples = frame.to_ndarray()
    if samples.dtype.kind == "u":
        samples = samples.astype(np.float32) / 128 - 1
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    channels = len(frame.layout.channels)
    return samples if frame.format.is_planar else samples.reshape(-1, channels).T


def mono(frame, chosen: dict[str, list[int]]) -> np.ndarray:
    """An audio frame -> (n,) float32: the mean of the channels that are chosen for its layout."""
    planes = planes_of(frame)
    kept = chosen.get(frame.layout.name)
    return (planes if kept is None else planes[kept]).mean(0).astype(np.float32)


def chosen_channels(frames: Iterable) -> dict[str, list[int]]:
    """Audio frames of a recording -> by the name of each layout the channels to average.

    Front centre, where it is heard, carries the dialogue of a video; else left and right do. Empty channels are left
    out. Where channels cancel each other, as those of a balanced line taken for stereo, the loudest is taken alone.
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
    """What is known of the frames of one layout. products: (C, C) mean products of the channels, a stretch each."""

    names: list[str]
    products: list[np.ndarray] = field(default_factory=list)
    count: int = 0

    def add(self, planes: np.ndarray, stretch: int) -> None:
        """One more frame (C, n)."""
        if self.count >= stretch * len(self.products):
            self.products.append(np.zeros((len(planes), len(planes))))
        planes = np.nan_to_num(planes).astype(np.float64)
        self.products[-1] += planes @ planes.T
        self.count += planes.shape[1]

    def chosen(self) -> list[int]:
        """Indices of the channels to average."""
        powers = np.diag(sum(self.products))
        heard = [k for k, name in enumerate(self.names) if name != "LFE"] or list(range(len(powers)))
        loudest = max(powers[heard])
        groups = [[k for k in heard if self.names[k] in group] for group in FRONT] + [heard]
        group = next(own for own in groups if own and max(powers[own]) >= HEARD * loudest)
        kept = [k for k in group if powers[k] >= EMPTY * max(powers[group])]
        as_loud = [k for k in kept if powers[k] >= AS_LOUD * max(powers[kept])]
        return as_loud[:1] if self._cancel(kept) else kept

    def _cancel(self, kept: list[int]) -> bool:
        """Whether the mean of these channels loses much of what they hold, for some of the time at least."""
        own = np.array([product[np.ix_(kept, kept)] for product in self.products])
        held, left = np.trace(own, axis1=1, axis2=2), own.sum((1, 2))
        lost = held[left < CANCELLED * held].sum()
        return bool(len(kept) > 1 and lost > OFTEN * held.sum())
