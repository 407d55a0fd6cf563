"""Mouth points of live mouths, computed only if the reader requests them, and once per frame.

Shapes: T frames; mouth points (T, 14, 2) float32 pixels, as `vsr.face.mouth_points` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from vsr.face.mouth_points import MouthFollower, MouthMesh
from vsr.face.networks import Pool
from vsr.face.requested_points import RequestedPoints
from vsr.inference.live.mouth import Mouth


class LivePoints:
    """Mouth points of a growing utterance; earlier frames are not computed again."""

    def __init__(self, meshes: Pool[MouthMesh]):
        self.meshes = meshes
        self._known: list[Mouth] = []
        self._follower: MouthFollower | None = None

    def of(self, mouths: Sequence[Mouth]) -> RequestedPoints:
        """The points of mouths with faces, on request."""
        return RequestedPoints(partial(self._find, list(mouths)), np.arange(len(mouths)))

    def _find(self, mouths: list[Mouth]) -> np.ndarray:
        start = next((i for i, known in enumerate(self._known) if known is mouths[0]), 0)
        if self._follower is None or not self._continues(start, mouths):
            self._begin()
            start = 0
        assert self._follower is not None
        for mouth in mouths[len(self._known) - start :]:
            assert mouth.face is not None
            self._follower.add(mouth.face.frame, mouth.face.points)
            self._known.append(mouth)
        all_points = self._follower.points_so_far()[start : start + len(mouths)]
        return np.stack(
            [mouth.face.on_video(points) for points, mouth in zip(all_points, mouths, strict=True) if mouth.face]
        )

    def _continues(self, start: int, mouths: list[Mouth]) -> bool:
        """Whether these mouths continue the known ones from index ``start``."""
        known = self._known[start : start + len(mouths)]
        return bool(known) and all(mouth is other for mouth, other in zip(known, mouths, strict=False))

    def _begin(self) -> None:
        self.close()
        self._known, self._follower = [], MouthFollower(self.meshes)

    def close(self) -> None:
        """Release the threads of the follower."""
        if self._follower is not None and self._known:
            self._follower.points()
        self._follower = None
