"""Comparison of faces by histograms of oriented gradients of the upright face (Dalal and Triggs 2005).

The same person from another side, or mirrored, is often not recognised.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from vsr.core.clock import FPS
from vsr.face.geometry import REFERENCE, anchors_of, similarity

SIDE = 64  # pixels of the image


class Gradients:
    """Distance: 1 minus the cosine similarity of the gradients. The nearest two people of 19 (eleven clips of others
    and eight GRID speakers) were 0.073 apart. A mark is an image (64, 64) uint8."""

    name = "gradients"
    every = FPS
    mark_bytes = SIDE * SIDE
    alike, nearby, same_look = 0.07, 0.2, 0.03

    def image(self, frame: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The upright face (64, 64) uint8 gray."""
        import cv2

        (matrix,) = similarity(anchors_of(points[None]), REFERENCE * (SIDE / 256))
        return cv2.cvtColor(cv2.warpAffine(frame, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR), cv2.COLOR_RGB2GRAY)

    def marks(self, images: np.ndarray) -> list[bytes]:
        """The images themselves."""
        return [image.tobytes() for image in images]

    def changes(self, images: np.ndarray) -> tuple[int, int] | None:
        """None: gradients change with a turn of the head as much as with another person."""
        return None

    def distance(self, mark: bytes, other: bytes) -> float:
        """Distance from 0 to 1."""
        return 1 - float(_gradients(mark) @ _gradients(other))


@lru_cache(maxsize=4096)
def _gradients(mark: bytes) -> np.ndarray:
    """Unit vector of the oriented gradients of an image."""
    import cv2

    image = np.frombuffer(mark, np.uint8).reshape(SIDE, SIDE)
    histogram = cv2.HOGDescriptor((SIDE, SIDE), (16, 16), (8, 8), (8, 8), 9).compute(image).ravel()
    return histogram / max(float(np.linalg.norm(histogram)), 1e-9)
