"""Augmentation of tracks of mouth points: tempo, face shape, speaking style, and gaps.

Shapes: points (T, 9, 2) pixels, measures (T, 8), as in `vsr.face.mouth_features`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError
from vsr.face.mouth_features import CENTRED_SCALE, with_changes

GROUPS = (slice(0, 18), slice(18, 26), slice(26, 32))  # of the features of `vsr.face.mouth_features`
MIRRORED = [1, 0, 2, 3, 4, 6, 5, 8, 7]  # order of the nine points in a mirror image


@dataclass(frozen=True)
class TrackAugmentation:
    """How tracks are varied. Spreads are standard deviations.

    Args:
        recombine: probability that a sentence is continued from its middle by another of the same speaker, which has
            the same word there.
        silence: probability of silence before the words, and after them, where a track has none.
        flip: probability of mirroring.
        tempo: of the logarithm of the rate of the whole clip; ``sway`` of that about every eighth frame.
        amplitude: of the logarithm of how far points move from their mean.
        shape: of the logarithm of width and height of the face, and of its turn and shear.
        noise: greatest jitter of the points, in mouth widths.
        mask_frames: longest of up to two stretches that are not seen.
        style: probability of moving, in part, as another speaker of the list does (`vsr.data.track_style`).
        drop: probability that a group of numbers (places, movements or shape) is not seen in the whole clip.
    """

    recombine: float = 0.6
    silence: float = 0.95
    flip: float = 0.5
    tempo: float = 0.1
    sway: float = 0.12
    amplitude: float = 0.12
    shape: float = 0.06
    noise: float = 0.008
    mask_frames: int = 6
    style: float = 0.0
    drop: float = 0.0

    def __post_init__(self):
        if min(vars(self).values()) < 0 or max(self.recombine, self.silence, self.flip, self.style, self.drop) > 1:
            raise VsrError("bad_config", "data.track_augmentation: no negative numbers, and probabilities up to 1")


def time_map(frames: int, augmentation: TrackAugmentation, rng: np.random.Generator) -> np.ndarray:
    """The place in the original track, of ``frames`` frames, for each frame of the varied track."""
    knots = max(2, frames // 8)
    sway = np.exp(rng.normal(0, augmentation.sway, knots))
    rates = np.interp(np.linspace(0, knots - 1, frames), np.arange(knots), sway)
    rates = rates * np.exp(rng.normal(0, augmentation.tempo))
    ends = np.concatenate([[0], np.cumsum(1 / rates)])
    middles = np.arange(max(2, round(ends[-1]))) + 0.5
    return np.clip(np.interp(middles, ends, np.arange(frames + 1)) - 0.5, 0, frames - 1)


def at_times(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values (T, ...), interpolated at places between the frames."""
    low = np.floor(places).astype(int)
    share = (places - low).reshape(-1, *[1] * (values.ndim - 1)).astype(np.float32)
    return values[low] * (1 - share) + values[np.minimum(low + 1, len(values) - 1)] * share


def another_face(
    points: np.ndarray, measures: np.ndarray, augmentation: TrackAugmentation, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The same words from another face: mirrored, other proportions, more or less movement, less precise points."""
    aug, mean = augmentation, points.mean(0)
    offsets = points - mean
    if rng.random() < aug.flip:
        offsets, mean = offsets[:, MIRRORED] * [-1, 1], mean[MIRRORED] * [-1, 1]
    offsets = offsets * np.exp(rng.normal(0, aug.amplitude)) * np.exp(rng.normal(0, aug.amplitude / 2, (1, 9, 2)))
    points = offsets @ _linear(aug.shape, rng).T + mean
    width = np.linalg.norm(mean[1] - mean[0])
    points = points + rng.normal(0, rng.uniform(0, aug.noise) * width, points.shape)
    return points.astype(np.float32), _other_measures(measures, aug, rng)


def _linear(spread: float, rng: np.random.Generator) -> np.ndarray:
    """A random rotation after a stretch and a shear, (2, 2)."""
    angle = rng.normal(0, spread)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    wide, high = np.exp(rng.normal(0, spread, 2))
    return turn @ np.array([[wide, rng.normal(0, spread)], [rng.normal(0, spread / 2), high]])


def _other_measures(measures: np.ndarray, aug: TrackAugmentation, rng: np.random.Generator) -> np.ndarray:
    mean = measures.mean(0)
    offsets = (measures - mean) * np.exp(rng.normal(0, aug.amplitude)) * np.exp(rng.normal(0, aug.amplitude / 2, 8))
    mean = mean * np.exp(rng.normal(0, aug.shape, 8))
    jitter = rng.normal(0, 1, measures.shape) * rng.uniform(0, 12 * aug.noise) * CENTRED_SCALE
    return with_changes((offsets + mean + jitter).astype(np.float32))


def mask_stretches(features: np.ndarray, longest: int, rng: np.random.Generator) -> np.ndarray:
    """Features (T, F) with up to two stretches set to zero, their mean; in place."""
    for _ in range(rng.integers(0, 3) if longest else 0):
        length = int(rng.integers(1, longest + 1))
        start = int(rng.integers(0, max(1, len(features) - length)))
        features[start : start + length] = 0
    return features


def without_group(features: np.ndarray, probability: float, rng: np.random.Generator) -> np.ndarray:
    """Features (T, F) with a probability that places, movements or shape are set to zero, their mean; in place."""
    if probability and rng.random() < probability:
        features[:, GROUPS[rng.integers(len(GROUPS))]] = 0
    return features
