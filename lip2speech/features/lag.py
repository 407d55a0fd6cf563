"""Measures the lag between two band contours, and shifts audio by a lag. Positive: the audio is late.

Shapes: bands (N, 20) at 100 Hz; wave (S,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vsr.core.clock import HOP, SAMPLE_RATE

HOP_SECONDS = HOP / SAMPLE_RATE
REACH = 16  # steps of 10 ms that are searched in each direction
SILENT = 0.25  # share of the range of loudness below which a frame counts as a pause
AROUND = 8  # frames kept on each side of the speech


@dataclass(frozen=True)
class Lag:
    """Seconds by which a clip's audio is late, measured on all of it and on each half; the agreement of the halves
    shows how reliable the whole is."""

    whole: float
    first: float
    second: float


def clip_lag(audio: Tensor, video: Tensor) -> Lag:
    """Lag of the audio's bands ``audio`` behind the bands ``video``, predicted from the lips; both (N, 20)."""
    begin, end = speech_extent(audio)
    middle = (begin + end) // 2
    return Lag(*(lag(audio[a:b], video[a:b]) for a, b in ((begin, end), (begin, middle), (middle, end))))


def speech_extent(bands: Tensor) -> tuple[int, int]:
    """First frame of speech in bands (N, 20) and the frame after the last, with a margin of `AROUND` frames."""
    loudness = bands.mean(1)
    quiet, loudest = loudness.quantile(0.05), loudness.quantile(0.98)
    loud = (loudness > quiet + SILENT * (loudest - quiet)).nonzero().flatten()
    if not len(loud):
        return 0, len(bands)
    return max(0, int(loud[0]) - AROUND), min(len(bands), int(loud[-1]) + AROUND)


def lag(audio: Tensor, video: Tensor) -> float:
    """Lag in seconds at which the covariance of two band contours (N, 20) peaks, with parabolic interpolation."""
    reach = min(REACH, len(audio) // 4)
    if reach < 1:
        return 0.0
    values = [_covariance(audio, video, shift) for shift in range(-reach, reach + 1)]
    best = int(np.argmax(values))
    fraction = 0.0
    if 0 < best < 2 * reach:
        before, peak, after = values[best - 1 : best + 2]
        fraction = (before - after) / (2 * (before - 2 * peak + after) or 1)
    return (best - reach + fraction) * HOP_SECONDS


def _covariance(audio: Tensor, video: Tensor, shift: int) -> float:
    a = audio[max(0, shift) : len(audio) + min(0, shift)]
    b = video[max(0, -shift) : len(video) + min(0, -shift)]
    return float(((a - a.mean(0)) * (b - b.mean(0))).mean())


def shift_wave(wave: np.ndarray, seconds: float) -> np.ndarray:
    """Shift a wave (S,) that is late by ``seconds`` back in time; missing samples at the edges are mirrored."""
    samples = round(seconds * SAMPLE_RATE)
    padded = np.pad(wave, (max(0, -samples), max(0, samples)), mode="reflect")
    return padded[max(0, samples) :][: len(wave)]


def shift_bands(bands: Tensor, seconds: float) -> Tensor:
    """Shift bands (N, 20) that are late by ``seconds`` back in time, by linear interpolation."""
    position = (torch.arange(len(bands)) + seconds / HOP_SECONDS).clamp(0, len(bands) - 1)
    index = position.long().clamp(max=max(0, len(bands) - 2))
    fraction = (position - index)[:, None]
    return bands[index] * (1 - fraction) + bands[(index + 1).clamp(max=len(bands) - 1)] * fraction
