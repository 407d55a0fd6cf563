"""Mouth points that are found only on request, by decoding the frames a second time.

The attention mesh takes longer than everything else that is done to a frame, and a reader needs it only for speakers
it does not know. Points found later equal those found with the crops.

Shapes: T frames; face points (T, 37, 2), mouth points (T, 14, 2) float32 pixels, as `vsr.face.mouth_points` has them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np

from vsr.face.canvas import Shape
from vsr.face.mouth_points import MouthFollower, MouthMesh
from vsr.face.networks import Pool
from vsr.media.reader import frames_from
from vsr.media.resample import Position


class RequestedPoints:
    """Mouth points of some frames of a piece, as an array that is computed when numpy asks for it.

    ``find`` returns the points (T, 14, 2) of the whole piece and caches them; ``places``: indices of its frames.
    """

    def __init__(self, find: Callable[[], np.ndarray], places: np.ndarray):
        self._find, self._places = find, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, part: slice) -> RequestedPoints:
        return RequestedPoints(self._find, self._places[part])

    def extended(self, before: int, after: int) -> RequestedPoints:
        """The same, extended by this many repetitions of the first and of the last frame."""
        return RequestedPoints(self._find, np.pad(self._places, (before, after), mode="edge"))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self._find()[self._places].astype(dtype or np.float32, copy=False)


def points_again(
    path: str | Path, begin: Position | None, skipped: int, face: np.ndarray, canvas: Shape | None,
    meshes: Pool[MouthMesh],
) -> np.ndarray:  # fmt: skip
    """Mouth points (T, 14, 2) of a face, given its points (T, 37, 2) in pixels of the canvas.

    ``begin``: a position in the video; ``skipped``: number of frames from there to the first frame of the face.

    Raises VsrError if the video can no longer be read.
    """
    follower = MouthFollower(meshes)
    frames = islice(frames_from(path, begin), skipped, skipped + len(face))
    for (frame, _), points in zip(frames, face, strict=True):
        follower.add(frame, points, canvas)
    return follower.points()
