"""The effective frame rate of a mouth: how many times a second it changes, whatever frame rate the file declares.

Videos of a low frame rate are shown at 25 fps by repeating frames, and conversions write such repeats into files of 25
fps. Either way the lips jump and are read worse: docs/footage.md says by how much, and how the constants were found.
Changes that a small shift of the crop explains are removed, since crops follow the head smoothly over repeats.

Shapes: crop (T, 96, 96) uint8 gray at 25 a second.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vsr.core.clock import FPS
from vsr.face.stretches import cells_of

NEAR = FPS // 2  # frames on each side; the greatest change within them is that of moving lips
SHARE = 0.2  # of the greatest change: repeats change less, by coding alone; moving lips change more
USUAL = 0.75  # quantile over the seconds of speech: in some of them the lips rest
LEAST = 1e-3  # gray levels
FEW = 11.0  # changes per second, for a warning: known speakers have 3 times the WER at 10, twice at 12.5
GUESSED = 7.5  # below it words count as guesses: 8 times the WER at 6
RIDGE = 1e-3
AT_ONCE = 256  # frames


def mouth_changes(crop: np.ndarray) -> np.ndarray:
    """Mean change (T,) of the mouth from the previous frame, gray levels; 0 for the first."""
    parts = [_changes(cells_of(crop[start : start + AT_ONCE + 1])[0]) for start in range(0, len(crop) - 1, AT_ONCE)]
    return np.concatenate([[0.0], *parts])


def _changes(cells: np.ndarray) -> np.ndarray:
    """Mean change (n,) of the mouth between consecutive cells (n + 1, h, w)."""
    usual, change = (cells[1:] + cells[:-1]) / 2, cells[1:] - cells[:-1]
    high, wide = usual.shape[1:]
    left = _unexplained(usual, change)[:, high // 4 : -(high // 4), wide // 6 : -(wide // 6)]
    return np.abs(left).mean(axis=(1, 2))


def _unexplained(usual: np.ndarray, change: np.ndarray) -> np.ndarray:
    """The part of changes (T, h, w) that neither light nor an affine motion of the crop explains."""
    down, across = np.gradient(usual, axis=1), np.gradient(usual, axis=2)
    y, x = np.meshgrid(*(np.linspace(-1, 1, size, dtype=np.float32) for size in usual.shape[1:]), indexing="ij")
    causes = [across, across * x, across * y, down, down * x, down * y, usual, np.ones_like(usual)]
    basis = np.stack(causes, axis=1).reshape(len(usual), len(causes), -1)
    normal = basis @ basis.transpose(0, 2, 1) + RIDGE * np.eye(len(causes), dtype=np.float32)
    amounts = np.linalg.solve(normal, basis @ change.reshape(len(change), -1, 1))
    return change - (basis.transpose(0, 2, 1) @ amounts).reshape(change.shape)


def frame_rate(crop: np.ndarray, spans: Iterable[tuple[int, int]] | None = None) -> float:
    """Changes per second in the stretches of speech (start, stop) of a crop; 25 if nothing changes or there is no
    speech, as the rate is unknown then."""
    changes = mouth_changes(crop)
    greatest = np.lib.stride_tricks.sliding_window_view(np.pad(changes, NEAR), 2 * NEAR + 1).max(axis=1)
    fresh = changes >= np.maximum(SHARE * greatest, LEAST)
    counts = [_a_second(fresh[start:stop]) for start, stop in ([(0, len(crop))] if spans is None else spans)]
    rates = np.concatenate(counts) if counts else np.zeros(0)
    return float(np.quantile(rates, USUAL)) if rates.any() else float(FPS)


def _a_second(fresh: np.ndarray) -> np.ndarray:
    """How many frames of each second are fresh."""
    width = min(FPS, len(fresh))
    return np.convolve(fresh, np.ones(width), "valid") * FPS / width


def domain_limit(rate: float) -> float:
    """Upper bound of the probability that a clip is in the domain of a reader, at this many changes per second."""
    return min(1.0, 0.5 * rate / GUESSED)
