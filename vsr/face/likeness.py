"""By what a person is recognised in another shot: face vectors where the network for them is installed, else gradients.

Shapes: frame (H, W, 3) uint8; points (37, 2) float32 pixels of that frame.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import numpy as np


class FaceLikeness(Protocol):
    """A measure of how alike two faces are.

    name: stored in the journal, since marks of two measures cannot be compared; every: frames between two images of a
    face; mark_bytes: size of a mark; alike, nearby, same_look: the distance up to which two marks are of one person, of
    one person in the same place, and not worth keeping both.
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
        """What is compared, from the images (k, ...) of one person in one shot."""

    def changes(self, images: np.ndarray) -> tuple[int, int] | None:
        """The last image (of k, in order of time) of one person and the first of the next, None if they are of one
        person or the measure cannot tell."""

    def distance(self, mark: bytes, other: bytes) -> float:
        """Distance of two marks, 0 for equal ones."""


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
