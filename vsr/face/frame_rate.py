"""How often a second the mouth of a crop changes: the frame rate of what is seen, whatever the file says.

Few frames a second are shown at 25 by repeating them, and conversions write such repeats into files of 25. Either way
lips jump from one place to the next, and are read worse: docs/footage.md says by how much, and how the constants were
found. What a crop that is laid a little differently explains of a change is taken away, since it follows the head
smoothly over repeats.

Shapes: crop (T, 96, 96) uint8 gray at 25 a second.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vsr.core.clock import FPS
from vsr.face.stretches import cells_of

NEAR = FPS // 2  # frames on each side among which the greatest change is that of lips which move
SHARE = 0.2  # of it: what a codec leaves of a repeat is less, and lips in motion change by more in each frame
USUAL = 0.75  # quantile over the seconds of speech: in some of them lips rest, which change nothing
LEAST = 1e-3  # gray levels
FEW = 11.0  # changes a second, a warning: of known people three times the words are wrong at 10, twice at 12.5
GUESSED = 7.5  # words are guesses: at 6 eight times as many are wrong
RIDGE = 1e-3
AT_ONCE = 256  # frames


def mouth_changes(crop: np.ndarray) -> np.ndarray:
    """(T,) mean change of the mouth from the frame before, gray levels; 0 of the first."""
    parts = [_changes(cells_of(crop[start : start + AT_ONCE + 1])[0]) for start in range(0, len(crop) - 1, AT_ONCE)]
    return np.concatenate([[0.0], *parts])


def _changes(cells: np.ndarray) -> np.ndarray:
    """Cells (n + 1, h, w) -> (n,)."""
    usual, change = (cells[1:] + cells[:-1]) / 2, cells[1:] - cells[:-1]
    high, wide = usual.shape[1:]
    left = _unexplained(usual, change)[:, high // 4 : -(high // 4), wide // 6 : -(wide // 6)]
    return np.abs(left).mean(axis=(1, 2))


def _unexplained(usual: np.ndarray, change: np.ndarray) -> np.ndarray:
    """What is left of changes (T, h, w) of frames when light, and an affine motion of the crop, are taken away."""
    down, across = np.gradient(usual, axis=1), np.gradient(usual, axis=2)
    y, x = np.meshgrid(*(np.linspace(-1, 1, size, dtype=np.float32) for size in usual.shape[1:]), indexing="ij")
    causes = [across, across * x, across * y, down, down * x, down * y, usual, np.ones_like(usual)]
    basis = np.stack(causes, axis=1).reshape(len(usual), len(causes), -1)
    normal = basis @ basis.transpose(0, 2, 1) + RIDGE * np.eye(len(causes), dtype=np.float32)
    amounts = np.linalg.solve(normal, basis @ change.reshape(len(change), -1, 1))
    return change - (basis.transpose(0, 2, 1) @ amounts).reshape(change.shape)


def frame_rate(crop: np.ndarray, spans: Iterable[tuple[int, int]] | None = None) -> float:
    """Changes a second in the stretches (start, stop) of a crop in which lips speak; 25 where nothing changes at all,
    or there is no speech: then nothing is known."""
    changes = mouth_changes(crop)
    greatest = np.lib.stride_tricks.sliding_window_view(np.pad(changes, NEAR), 2 * NEAR + 1).max(axis=1)
    fresh = changes >= np.maximum(SHARE * greatest, LEAST)
    counts = [_a_second(fresh[start:stop]) for start, stop in ([(0, len(crop))] if spans is None else spans)]
    found = np.concatenate(counts) if counts else np.zeros(0)
    return float(np.quantile(found, USUAL)) if found.any() else float(FPS)


def _a_second(fresh: np.ndarray) -> np.ndarray:
    """How many of the frames of each second are fresh."""
    width = min(FPS, len(fresh))
    return np.convolve(fresh, np.ones(width), "valid") * FPS / width


def highest_chance(rate: float) -> float:
    """What the chance that lips look like what a reader was trained on can be at most, at so many changes a second."""
    return min(1.0, 0.5 * rate / GUESSED)
