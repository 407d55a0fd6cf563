"""The points of a mouth that are found only if somebody asks: the frames are decoded a second time for it.

To lay the attention mesh takes longer than everything else that is done to a frame, and a reader needs it only of
people whom it does not know. Found later, the points are the same as with the crops.

Shapes: T frames; face points (T, 37, 2), mouth points (T, 14, 2) float32 pixels, as `vsr.face.mouth_points` has them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from vsr.face.canvas import Shape
from vsr.face.mouth_points import MouthFollower, MouthMesh
from vsr.face.networks import Stock
from vsr.media.reader import frames_from
from vsr.media.resample import Position


class RequestedPoints:
    """Mouth points of some frames of a piece, as an array that is there when numpy asks for it.

    ``find`` gives those of the piece (T, 14, 2), and keeps them; ``places``: which of its frames these are.
    """

    def __init__(self, find: Callable[[], np.ndarray], places: np.ndarray):
        self._find, self._places = find, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, part: slice) -> RequestedPoints:
        return RequestedPoints(self._find, self._places[part])

    def held(self, before: int, after: int) -> RequestedPoints:
        """The same with so many frames more at either end, which repeat the outermost."""
        return RequestedPoints(self._find, np.pad(self._places, (before, after), mode="edge"))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self._find()[self._places].astype(dtype or np.float32, copy=False)


def points_again(
    path: str | Path, begin: Position | None, skipped: int, face: np.ndarray, canvas: Shape | None,
    meshes: Stock[MouthMesh],
) -> np.ndarray:  # fmt: skip
    """Mouth points (T, 14, 2) of a face, by its points (T, 37, 2) in pixels of the canvas.

    ``begin``: a place in the video; ``skipped``: frames from there to the first of the face.

    Raises VsrError where the video cannot be read any more.
    """
    follower = MouthFollower(meshes)
    frames = islice(frames_from(path, begin), skipped, skipped + len(face))
    for (frame, _), points in zip(frames, face, strict=True):
        follower.add(frame, points, canvas)
    return follower.points()
