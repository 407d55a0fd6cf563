"""Lags between two band contours, and sound moved by one. Positive: the sound is late.

Shapes: bands (N, 20), 100 a second; wave (S,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vsr.core.clock import HOP, SAMPLE_RATE

HOP_SECONDS = HOP / SAMPLE_RATE
REACH = 16  # steps of 10 ms that are searched, each way
SILENT = 0.25  # share of the range of loudness below which a frame counts as a pause
AROUND = 8  # frames kept on each side of the speech


@dataclass(frozen=True)
class Lag:
    """Seconds by which a clip's sound is late: by all of it, and by its two halves alone, whose agreement shows
    how far the first is to be believed."""

    whole: float
    first: float
    second: float


def clip_lag(heard: Tensor, seen: Tensor) -> Lag:
    """Lag of the bands that are heard behind those that the lips announce; both (N, 20)."""
    begin, end = spoken(heard)
    middle = (begin + end) // 2
    return Lag(*(lag(heard[a:b], seen[a:b]) for a, b in ((begin, end), (begin, middle), (middle, end))))


def spoken(bands: Tensor) -> tuple[int, int]:
    """First and last frame of speech in (N, 20), with a little around it."""
    loudness = bands.mean(1)
    low, high = loudness.quantile(0.05), loudness.quantile(0.98)
    loud = (loudness > low + SILENT * (high - low)).nonzero().flatten()
    if not len(loud):
        return 0, len(bands)
    return max(0, int(loud[0]) - AROUND), min(len(bands), int(loud[-1]) + AROUND)


def lag(heard: Tensor, seen: Tensor) -> float:
    """Seconds at which the covariance of two (N, 20) peaks, between frames by a parabola."""
    reach = min(REACH, len(heard) // 4)
    if reach < 1:
        return 0.0
    values = [_covariance(heard, seen, shift) for shift in range(-reach, reach + 1)]
    best = int(np.argmax(values))
    between = 0.0
    if 0 < best < 2 * reach:
        before, peak, after = values[best - 1 : best + 2]
        between = (before - after) / (2 * (before - 2 * peak + after) or 1)
    return (best - reach + between) * HOP_SECONDS


def _covariance(heard: Tensor, seen: Tensor, shift: int) -> float:
    a = heard[max(0, shift) : len(heard) + min(0, shift)]
    b = seen[max(0, -shift) : len(seen) + min(0, -shift)]
    return float(((a - a.mean(0)) * (b - b.mean(0))).mean())


def moved(wave: np.ndarray, seconds: float) -> np.ndarray:
    """Wave (S,) that is late by so many seconds, on time; what is missing at its edges is mirrored."""
    samples = round(seconds * SAMPLE_RATE)
    padded = np.pad(wave, (max(0, -samples), max(0, samples)), mode="reflect")
    return padded[max(0, samples) :][: len(wave)]


def moved_bands(bands: Tensor, seconds: float) -> Tensor:
    """Bands (N, 20) that are late by so many seconds, on time, by linear interpolation."""
    place = (torch.arange(len(bands)) + seconds / HOP_SECONDS).clamp(0, len(bands) - 1)
    left = place.long().clamp(max=max(0, len(bands) - 2))
    share = (place - left)[:, None]
    return bands[left] * (1 - share) + bands[(left + 1).clamp(max=len(bands) - 1)] * share
