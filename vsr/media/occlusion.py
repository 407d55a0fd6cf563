"""Draws covers that hide a given share of the mouth: flat patches, textured objects, hands.

A cover is a distance field around a point near the mouth, up to the distance at which the given share of the mouth's
box is hidden, so that every shape hides exactly that share. It is drawn in the coordinates of the box, and therefore
moves and scales with the mouth.

Shapes: frame (H, W) or (H, W, 3) uint8; box (4,) pixels: left, top, right, bottom of the mouth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

GRID = (np.arange(128) + 0.5) / 64 - 1  # across the box, whose edges are at -1 and 1
REACH = 6.0  # largest extent of a cover around the mouth, in sides of the box
FINGERS = ((-0.72, 0.13, 0.75), (-0.33, 0.13, 0.95), (0.05, 0.13, 1.0), (0.43, 0.13, 0.85), (1.3, 0.2, 0.5))  # radians
SKIN = np.array([205.0, 160.0, 135.0])
SHADES = np.array([0.299, 0.587, 0.114])  # weights of red, green and blue in gray


@dataclass(frozen=True)
class Cover:
    """A cover of the mouth in frames ``first`` to ``stop``: its kind, the share of the mouth's box that it hides, its
    centre (x, y) relative to that of the box in half sides, its rotation (radians), and the seed of its texture."""

    kind: str
    share: float
    first: int
    stop: int
    x: float
    y: float
    turn: float
    seed: int

    def drawn_on(self, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
        """Draw the cover on a frame; for a share of 0 return it unchanged."""
        limit = self.limit()
        if limit is None:
            return frame
        (x0, y0), (x1, y1) = _part(frame, box)
        x = ((np.arange(x0, x1) + 0.5) * 2 - box[0] - box[2]) / (box[2] - box[0])
        y = ((np.arange(y0, y1) + 0.5) * 2 - box[1] - box[3]) / (box[3] - box[1])
        x, y = np.meshgrid(x, y)
        mask = self._distance(x, y) <= limit
        covered = frame.copy()
        covered[y0:y1, x0:x1][mask] = self._texture(x[mask], y[mask], frame.ndim == 3)
        return covered

    def limit(self) -> float | None:
        """The distance up to which the cover extends; None for a share of 0."""
        if self.share <= 0:
            return None
        distances = np.sort(self._distance(*np.meshgrid(GRID, GRID)).ravel())
        return float(distances[max(0, round(self.share * len(distances)) - 1)])

    def _distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The distance field at points in the box's coordinates; the box is about twice as wide as high."""
        across, along = (x - self.x) * 2, y - self.y
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        return SHAPES[self.kind](across * cos + along * sin, along * cos - across * sin)

    def _texture(self, x: np.ndarray, y: np.ndarray, coloured: bool) -> np.ndarray:
        """Gray (n,) or RGB (n, 3) values of the cover at points in the box's coordinates."""
        rng = np.random.default_rng(self.seed)
        if self.kind == "patch":
            shade = np.broadcast_to(rng.uniform(0, 255, 3), (len(x), 3))
        else:
            base = SKIN * rng.uniform(0.35, 1.1) if self.kind == "hand" else rng.uniform(40, 215, 3)
            waves = rng.normal(0, 4.0 if self.kind == "object" else 1.0, (4, 2))
            ripple = np.sin(np.outer(x, waves[:, 0]) + np.outer(y, waves[:, 1]) + rng.uniform(0, 6.28, 4)).mean(1)
            shade = base * (1 + (0.5 if self.kind == "object" else 0.15) * ripple[:, None])
        shade = np.clip(shade, 0, 255)
        return np.round(shade if coloured else shade @ SHADES).astype(np.uint8)


def _part(frame: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(left, top) and (right, bottom) of the part of a frame that a cover can reach."""
    sides = np.array([box[2] - box[0], box[3] - box[1]])
    middle, size = np.array([box[0] + box[2], box[1] + box[3]]) / 2, np.array(frame.shape[1::-1])
    low, high = middle - REACH / 2 * sides, middle + REACH / 2 * sides
    return np.clip(np.floor(low), 0, size).astype(int), np.clip(np.ceil(high), 0, size).astype(int)


def _patch(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance field of a rectangle."""
    return np.maximum(np.abs(x) / 1.5, np.abs(y))


def _object(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance field of an ellipse with a knob, such as a cup or a microphone."""
    return np.minimum(np.hypot(x / 1.3, y), np.hypot((x - 1.2) / 0.6, (y - 0.3) / 0.6) + 0.25)


def _hand(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance field of a palm with spread fingers, whose outline is a radius for each direction from its centre."""
    direction = np.arctan2(x, -(y - 0.4))  # 0: up
    radius = np.full_like(direction, 0.8)
    for angle, width, length in FINGERS:
        radius = np.maximum(radius, 0.8 + length * np.exp(-(((direction - angle) / width) ** 4)))
    return np.hypot(x, y - 0.4) / radius


SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"patch": _patch, "object": _object, "hand": _hand}
KINDS = tuple(SHAPES)
