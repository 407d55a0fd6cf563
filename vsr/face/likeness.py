"""How faces are compared across shots: by embeddings if the network for them is installed, else by gradients.

Shapes: frame (H, W, 3) uint8; points (37, 2) float32 pixels of that frame.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np


class FaceLikeness(Protocol):
    """A measure of the similarity of two faces.

    name: stored in the journal, since marks of two measures cannot be compared; every: frames between two images of a
    face; mark_bytes: size of a mark; alike, nearby, same_look: largest distance of two marks of one person, of one
    person in the same place, and of marks of which one is redundant.
    """

    name: str
    every: int
    mark_bytes: int
    alike: float
    nearby: float
    same_look: float

    def image(self, frame: np.ndarray, points: np.ndarray) -> np.ndarray:
        """The upright face, uint8 of a fixed shape."""

    def marks(self, images: np.ndarray) -> list[bytes]:
        """The marks to compare, from the images (k, ...) of one person in one shot."""

    def changes(self, images: np.ndarray) -> tuple[int, int] | None:
        """Indices of the last image of one person and the first of the next, for images (k, ...) in order of time; None
        if they show one person or the measure cannot tell."""

    def distance(self, mark: bytes, other: bytes) -> float:
        """Distance of two marks; 0 if they are equal."""


@lru_cache(maxsize=1)
def measure() -> FaceLikeness:
    """The measure used in this process.

    Raises:
        VsrError: bad_model if the package with the network is installed, but its file is not the expected one.
    """
    from vsr.face.dlib_weights import weights_file

    if weights_file() is None:
        from vsr.face.gradients import Gradients

        return Gradients()
    from vsr.face.face_vectors import FaceVectors

    return FaceVectors()
