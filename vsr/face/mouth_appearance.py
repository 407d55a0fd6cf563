"""Whether a crop shows a mouth: a dark band between lighter skin where the landmarks place the lips.

A face mesh is fitted to masks, microphones and hands as well as to lips, but the pixels under it do not look like
lips. How the constants were found: docs/footage.md.

Shapes: patches (T, 32, 32) float32 gray: means of 3 x 3 pixels of the crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vsr.face.geometry import CROP

CELL = 3  # pixels
SIDE = CROP // CELL
REACH = 12  # frames on each side: over a second, the appearance does not depend on what is said
LIKENESS = 0.15  # similarity to lips: frontal mouths 0.17 (a wide smile) to 0.9; five in six covered ones less
FOLDED = 0.05  # likeness without straight horizontal lines such as folds of a mask: frontal mouths from 0.07
FLAT, HARSH, BLACK = 0.025, 0.5, 0.8  # contrast relative to brightness: mouths 0.03 to 0.38, bearded ones included

_AXIS = (np.arange(SIDE, dtype=np.float32) + 0.5) * CELL - CROP / 2
_X, _Y = (np.ravel(axis) for axis in np.meshgrid(_AXIS, _AXIS))
_NEAR = (abs(_X) < 34) & (_Y > -21) & (_Y < 27)
_PLANE, _ = np.linalg.qr(np.stack([np.ones(_NEAR.sum()), _X[_NEAR], _Y[_NEAR]], axis=1))
_COLUMNS = len(np.unique(_X[_NEAR]))


@dataclass(frozen=True)
class Look:
    """Appearance of the mouth in each frame, averaged over a second.

    likeness (T,): similarity to lips, -1 to 1; folded (T,): the same without horizontal lines; contrast (T,) and light
    (T,): standard deviation and mean of the gray levels around the mouth, 0 to 255.
    """

    likeness: np.ndarray
    folded: np.ndarray
    contrast: np.ndarray
    light: np.ndarray

    @property
    def strange(self) -> np.ndarray:
        """(T,) bool: no mouth is visible, unless something moves there as lips do."""
        share = self.contrast / (self.light + 1e-3)
        unlike = (self.likeness < LIKENESS) | (self.folded < FOLDED)
        return unlike | (share < FLAT) | (share > HARSH)

    @property
    def black(self) -> np.ndarray:
        """(T,) bool: the contrast is harsher than that of any face, whatever moves there."""
        return self.contrast > BLACK * self.light


def look_of(patches: np.ndarray) -> Look:
    """Appearance of the mouth in each frame, from patches (T, 32, 32)."""
    near = _averaged(patches.reshape(len(patches), -1)[:, _NEAR])
    uneven = _without_plane(near)
    contrast = np.linalg.norm(uneven, axis=1) / np.sqrt(near.shape[1])
    folded = _likeness(_without_rows(uneven), _without_rows(LIPS))
    return Look(_likeness(uneven, LIPS), folded, contrast, near.mean(axis=1))


def _likeness(values: np.ndarray, models: np.ndarray) -> np.ndarray:
    """Greatest cosine similarity (T,) between values (T, k) and any of the models (m, k)."""
    sizes = np.linalg.norm(values, axis=1, keepdims=True) * np.linalg.norm(models, axis=1) + 1e-3
    return (values @ models.T / sizes).max(axis=1)


def _averaged(values: np.ndarray) -> np.ndarray:
    """Moving average of values (T, k) over up to REACH frames each side."""
    count = len(values)
    sums = np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])
    low, high = np.maximum(np.arange(count) - REACH, 0), np.minimum(np.arange(count) + REACH + 1, count)
    return (sums[high] - sums[low]) / (high - low)[:, None]


def _without_plane(values: np.ndarray) -> np.ndarray:
    """Values (..., k) without mean and slope, so that light from the side does not count as a lip."""
    return values - (values @ _PLANE) @ _PLANE.T


def _without_rows(values: np.ndarray) -> np.ndarray:
    """Values (n, k) without the mean of each row of the frame."""
    rows = values.reshape(len(values), -1, _COLUMNS)
    return (rows - rows.mean(axis=2, keepdims=True)).reshape(values.shape)


def _lips() -> np.ndarray:
    """Models of lips (2, k): a dark band, and two dark bands around teeth as light as skin."""
    x, y = _X[_NEAR], _Y[_NEAR]
    smile = y - 4 * (1 - (x / 24) ** 2)  # raised corners
    upper, lower = (np.exp(-0.5 * ((smile + side) / 2.5) ** 2) for side in (5, -5))
    closed = np.exp(-0.5 * ((x / 22) ** 2 + (y / 4) ** 2))
    return _without_plane(-np.stack([closed, np.exp(-0.5 * (x / 18) ** 2) * (upper + lower / 2)]))


LIPS = _lips()
