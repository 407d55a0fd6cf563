"""The points of the mouth of a person in front of a camera, found if the reader asks for them, each frame once.

Shapes: T frames; mouth points (T, 14, 2) float32 pixels, as `vsr.face.mouth_points` has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from vsr.face.mouth_points import MouthFollower, MouthMesh
from vsr.face.networks import Stock
from vsr.face.requested_points import RequestedPoints
from vsr.inference.live.mouth import Mouth


class LivePoints:
    """Mouth points of an utterance that grows: of frames that were asked for before nothing is found again."""

    def __init__(self, meshes: Stock[MouthMesh]):
        self.meshes = meshes
        self._known: list[Mouth] = []
        self._follower: MouthFollower | None = None

    def of(self, mouths: Sequence[Mouth]) -> RequestedPoints:
        """Those of mouths with their faces, on request."""
        return RequestedPoints(partial(self._find, list(mouths)), np.arange(len(mouths)))

    def _find(self, mouths: list[Mouth]) -> np.ndarray:
        start = next((i for i, own in enumerate(self._known) if own is mouths[0]), 0)
        if self._follower is None or not self._go_on(start, mouths):
            self._begin()
            start = 0
        assert self._follower is not None
        for own in mouths[len(self._known) - start :]:
            assert own.face is not None
            self._follower.add(own.face.frame, own.face.points)
            self._known.append(own)
        found = self._follower.points_so_far()[start : start + len(mouths)]
        return np.stack([own.face.on_video(points) for points, own in zip(found, mouths, strict=True) if own.face])

    def _go_on(self, start: int, mouths: list[Mouth]) -> bool:
        """Whether these mouths are, from a place on, those that are known, and perhaps further ones."""
        known = self._known[start : start + len(mouths)]
        return bool(known) and all(own is other for own, other in zip(known, mouths, strict=False))

    def _begin(self) -> None:
        self.close()
        self._known, self._follower = [], MouthFollower(self.meshes)

    def close(self) -> None:
        """Let the threads of the follower go."""
        if self._follower is not None and self._known:
            self._follower.points()
        self._follower = None
