"""Simulates a poor camera or channel: blur, noise, low resolution, compression, dropped frames.

Shapes: frame (H, W) or (H, W, 3) uint8.
"""

from __future__ import annotations

import numpy as np


def blurred(frame: np.ndarray, sigma: float) -> np.ndarray:
    """Blur a frame with a Gaussian of ``sigma`` pixels."""
    import cv2

    return cv2.GaussianBlur(frame, (0, 0), sigma)


def noisy(frame: np.ndarray, std: float, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of ``std`` gray levels to a frame."""
    return np.clip(np.round(frame + rng.normal(0, std, frame.shape)), 0, 255).astype(np.uint8)


def reduced(frame: np.ndarray, share: float) -> np.ndarray:
    """Downscale a frame to a share of its width and height, rounded to even numbers."""
    import cv2

    size = [2 * max(1, round(side * share / 2)) for side in frame.shape[1::-1]]
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def coarse(frame: np.ndarray, share: float) -> np.ndarray:
    """Downscale a frame to a share of its width and height, and enlarge it again."""
    import cv2

    return cv2.resize(reduced(frame, share), frame.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def compressed(frame: np.ndarray, quality: int) -> np.ndarray:
    """Compress and decompress a frame as JPEG of ``quality`` (1 to 100)."""
    import cv2

    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE if frame.ndim == 2 else cv2.IMREAD_COLOR)


def shown_frames(count: int, dropped: np.ndarray) -> np.ndarray:
    """Index of the frame shown at each of ``count`` positions: the last one not dropped; the first is never dropped."""
    is_kept = np.ones(count, bool)
    is_kept[dropped] = False
    is_kept[:1] = True
    return np.maximum.accumulate(np.where(is_kept, np.arange(count), 0))
