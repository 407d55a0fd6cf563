"""Whether the lips of a crop move by themselves: changes at the mouth compared with changes elsewhere in the face.

Landmarks jitter on a moving photograph, in noise and on a mask; the pixels distinguish lips from all of these. Each
frame is compared with the half second around it. Changes that a small shift of the crop or a change of light explains
(fitted on the face outside the mouth) are removed. For a photograph or a mask, no more remains at the mouth than on
the cheeks. How the constants were found: docs/footage.md.

Shapes: crop (T, 96, 96) uint8 gray; cells (T, 16, 16) float32 gray: means of 6 x 6 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vsr.face.geometry import CROP

CELL = 6  # pixels: averages out noise, and makes the effect of a shift by one pixel linear
SIDE = CROP // CELL
REACH = 6  # frames on each side; slower changes are turns of the head
JITTER = 0.004  # share of the energy of the edges that an inexact crop leaves, cells squared
FLOOR = 0.005  # gray levels squared, from rounding
RIDGE = 1e-3

_AXIS = (np.arange(SIDE, dtype=np.float32) + 0.5) * CELL - CROP / 2
_X, _Y = (np.ravel(axis) for axis in np.meshgrid(_AXIS, _AXIS))  # from the centre of the mouth
LIPS = (abs(_X) <= 22) & (abs(_Y - 2) <= 15)
FACE = (abs(_X) > 28) | (abs(_Y - 2) > 21)
RIGHT, LEFT = LIPS & (_X < 0), LIPS & (_X > 0)


@dataclass(frozen=True)
class LipMotion:
    """lips (T,): ratio of the change at the mouth to that around it, about 1 at rest and 1.5 to 4 in speech.

    sides (T,): ratio of the change of the more mobile half of the mouth to that of the other, at least 1.
    """

    lips: np.ndarray
    sides: np.ndarray


def lip_motion(cells: np.ndarray) -> LipMotion:
    """Motion of the lips in each frame, within half a second."""
    usual = _averaged(cells)
    dx, dy = _gradients(usual)
    energy = _averaged(_unexplained(_smoothed(cells - usual), usual, dx, dy) ** 2)
    edges = _averaged(dx**2 + dy**2).reshape(len(cells), -1)
    beside = np.maximum(energy[:, FACE].mean(axis=1), _expected(energy[:, FACE], edges[:, FACE], edges[:, LIPS]))
    jitter = JITTER * edges[:, LIPS].mean(axis=1)
    lips = np.sqrt(energy[:, LIPS].mean(axis=1) / (beside + jitter + FLOOR))
    right, left = (energy[:, half].mean(axis=1) + FLOOR for half in (RIGHT, LEFT))
    return LipMotion(lips, np.sqrt(np.maximum(right, left) / np.minimum(right, left)))


def _averaged(values: np.ndarray) -> np.ndarray:
    """Moving average of values (T, ...) over REACH frames each side; the ends are repeated."""
    padded = np.pad(values, ((REACH + 1, REACH), *((0, 0),) * (values.ndim - 1)), mode="edge")
    padded[0] = 0
    sums = np.cumsum(padded, axis=0, dtype=np.float64)
    return ((sums[2 * REACH + 1 :] - sums[: -2 * REACH - 1]) / (2 * REACH + 1)).astype(np.float32)


def _smoothed(change: np.ndarray) -> np.ndarray:
    """Smooth by (1, 2, 1) / 4 in time: noise differs from frame to frame, lips hardly do."""
    padded = np.pad(change, ((1, 1), (0, 0), (0, 0)), mode="edge")
    return (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4


def _gradients(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Brightness gradients from cell to cell, horizontal and vertical."""
    padded = np.pad(cells, ((0, 0), (1, 1), (1, 1)), mode="reflect", reflect_type="odd")
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    return across, (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2


def _unexplained(change: np.ndarray, usual: np.ndarray, dx: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Change (T, 256) that neither light nor an affine motion of the whole crop explains."""
    x, y = (axis.reshape(SIDE, SIDE) * 2 / CROP for axis in (_X, _Y))
    plane = np.broadcast_to(np.stack([np.ones_like(x), x, y]), (len(usual), 3, SIDE, SIDE))
    causes = np.stack([usual, dx, dx * x, dx * y, dy, dy * x, dy * y], axis=1)
    causes = np.concatenate([plane, causes], axis=1).reshape(len(usual), -1, SIDE * SIDE)
    causes /= np.sqrt((causes[:, :, FACE] ** 2).sum(axis=2, keepdims=True)) + 1e-3
    beside, flat = causes[:, :, FACE], change.reshape(len(change), -1, 1)
    normal = beside @ beside.transpose(0, 2, 1) + RIDGE * np.eye(causes.shape[1], dtype=np.float32)
    amounts = np.linalg.solve(normal, beside @ flat[:, FACE])
    return (flat - causes.transpose(0, 2, 1) @ amounts)[..., 0]


def _expected(energy: np.ndarray, edges: np.ndarray, lips: np.ndarray) -> np.ndarray:
    """Energy (T,) expected at the mouth if energy grows with edges there as it does around the mouth.

    energy, edges (T, k) around the mouth; lips (T, m) edges of the mouth.
    """
    level, middle = energy.mean(axis=1), edges.mean(axis=1)
    spread = edges - middle[:, None]
    slope = np.maximum((spread * energy).mean(axis=1) / ((spread**2).mean(axis=1) + 1), 0)
    return np.maximum(level - slope * middle, 0) + slope * lips.mean(axis=1)
