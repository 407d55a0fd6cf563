"""Photographs of a face, moved in front of the camera, with noise and flickering light.

Shapes: frames (T, H, W, 3) uint8 RGB.
"""

from __future__ import annotations

import cv2
import numpy as np


def wander(count: int, dice: np.random.Generator, size: float, slow: float = 8) -> np.ndarray:
    """A smooth random path (count, 2) with a standard deviation of `size` pixels."""
    noise = dice.normal(size=(count + 80, 2))
    kernel = np.exp(-0.5 * (np.arange(-40, 41) / slow) ** 2)
    path = np.stack([np.convolve(noise[:, k], kernel, mode="same") for k in (0, 1)], axis=1)[40:-40]
    return size * (path - path.mean(axis=0)) / max(path.std(), 1e-6)


def move(frames, turn=None, zoom=None, shift=None, lean=None) -> np.ndarray:
    """Frames rotated (T,) radians, zoomed (T,) or by one factor, shifted (T, 2) pixels, tilted (T, 2) like paper."""
    count, (height, width) = len(frames), frames.shape[1:3]
    turn = np.zeros(count) if turn is None else turn
    zoom = np.full(count, 1.0 if zoom is None else zoom) if np.ndim(zoom) == 0 else zoom
    shift, lean = (np.zeros((count, 2)) if value is None else value for value in (shift, lean))
    out = np.empty_like(frames)
    for t in range(count):
        c, s = zoom[t] * np.cos(turn[t]), zoom[t] * np.sin(turn[t])
        first = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1.0]])
        second = np.array([[c, -s, 0], [s, c, 0], [lean[t, 0] / width, lean[t, 1] / height, 1.0]])
        last = np.array([[1, 0, width / 2 + shift[t, 0]], [0, 1, height / 2 + shift[t, 1]], [0, 0, 1.0]])
        out[t] = cv2.warpPerspective(frames[t], last @ second @ first, (width, height), borderMode=cv2.BORDER_REFLECT)
    return out


def noisy(frames, dice, size: float) -> np.ndarray:
    noise = dice.normal(0, size, frames.shape[:3] + (1,)) + dice.normal(0, size / 2, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def flicker(frames, dice, size=0.1) -> np.ndarray:
    gain = 1 + size * dice.normal(size=(len(frames), 1, 1, 1))
    return np.clip(frames * gain, 0, 255).astype(np.uint8)


def still(frames) -> np.ndarray:
    return np.repeat(frames[len(frames) // 2][None], len(frames), axis=0)


def held_by_hand(frames, dice, size=6.0, lean=0.08) -> np.ndarray:
    """A sheet of paper in front of the camera."""
    n = len(frames)
    return move(
        frames, wander(n, dice, 0.03)[:, 0], 1.05 + wander(n, dice, 0.03)[:, 0], wander(n, dice, size),
        wander(n, dice, lean),
    )  # fmt: skip


def swing(frames, dice) -> np.ndarray:
    """A photograph swung in front of the camera."""
    t = np.arange(len(frames)) / 25 + dice.uniform(0, 6)
    shift = np.stack([20 * np.sin(5 * t), 15 * np.cos(4 * t)], axis=1) / 2.5
    return move(frames, 0.02 * np.sin(6 * t), 1.2, shift)


PHOTOGRAPHS = {
    "still": lambda f, d: f,
    "swung": swing,
    "panned": lambda f, d: move(f, zoom=1.2, shift=np.outer(np.linspace(-1, 1, len(f)), d.uniform(-20, 20, 2))),
    "shaken": lambda f, d: move(f, zoom=1.2, shift=wander(len(f), d, 4.0, 1.5)),
    "turned": lambda f, d: move(f, turn=0.15 * np.sin(np.arange(len(f)) / d.uniform(4, 12))),
    "zoomed": lambda f, d: move(f, zoom=1.2 + 0.2 * np.sin(np.arange(len(f)) / d.uniform(6, 20))),
    "paper": held_by_hand,
    "noise 5": lambda f, d: noisy(f, d, 5),
    "noise 12": lambda f, d: noisy(f, d, 12),
    "noise 25": lambda f, d: noisy(f, d, 25),
    "flicker": flicker,
    "all at once": lambda f, d: flicker(noisy(held_by_hand(f, d), d, 8), d, 0.05),
}
PHOTOGRAPHS_HELD_OUT = {
    "swung and noisy": lambda f, d: noisy(swing(f, d), d, 10),
    "shaken hard": lambda f, d: move(f, zoom=1.2, shift=wander(len(f), d, 8.0, 2.0)),
    "paper waved": lambda f, d: held_by_hand(f, d, 10.0, 0.15),
    "noise 35": lambda f, d: noisy(f, d, 35),
    "flicker hard": lambda f, d: flicker(f, d, 0.2),
    "dim": lambda f, d: noisy((held_by_hand(f, d) * 0.3).astype(np.uint8), d, 4),
}
