"""A pool of face-detection networks that threads share.

The networks keep no state between frames but cannot run concurrently, so threads borrow one of a few sets: at most as
many as there are cores, however many threads detect faces.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from vsr.core.errors import VsrError
from vsr.core.machine import cores
from vsr.face.mediapipe_graphs import FaceBoxes, FaceMesh

Lent = TypeVar("Lent")
PATIENCE = 30.0  # seconds to wait for a set before another is created: an interrupted thread may have lost one
FORKED = (
    "this process is a fork of one that had looked for faces, and their networks do not survive that: start processes "
    "with multiprocessing.get_context('spawn'), or before the first video is read"
)


@dataclass(frozen=True)
class Networks:
    """One set of networks: the face mesh, and detectors of near and far faces."""

    mesh: FaceMesh
    near: FaceBoxes
    far: FaceBoxes


def _create_networks() -> Networks:
    # At 0.5 the mesh drifts from a moving face to the neck; at 0.7 it fails instead, and detection starts again.
    return Networks(FaceMesh(least=0.7), FaceBoxes("ShortRange", least=0.3), FaceBoxes("FullRange", least=0.5))


class Pool(Generic[Lent]):
    """A pool of at most ``limit`` objects, created when needed and lent to one thread each.

    ``was_requested``: whether the optional results of the objects were requested the last time that they could be.
    """

    def __init__(self, make: Callable[[], Lent], limit: int):
        self._make, self._limit = make, limit
        self._free: list[Lent] = []
        self._count = 0  # of objects, free and lent
        self.was_requested = False
        self._changed, self._forked = threading.Condition(), False

    def ready(self) -> None:
        """Create the first object, so that errors show now. Raises what ``make`` raises; VsrError forked."""
        if not self._count or self._forked:
            with self.borrow():
                pass

    @contextmanager
    def borrow(self) -> Iterator[Lent]:
        """An object for the duration of the block. It is dropped if the block fails, as it may be the cause.

        Raises what ``make`` raises; VsrError forked.
        """
        item = self._take()
        try:
            yield item
        except BaseException:
            with self._changed:
                self._count -= 1
                self._changed.notify()
            raise
        with self._changed:
            self._free.append(item)
            self._changed.notify()

    def _take(self) -> Lent:
        if self._forked:
            raise VsrError("forked", FORKED)
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._count < self._limit, PATIENCE)
            if self._free:
                return self._free.pop()
            self._count += 1
        try:
            return self._make()
        except BaseException:
            with self._changed:
                self._count -= 1
                self._changed.notify()
            raise

    def forked(self) -> None:
        """Called in a forked process: objects from before the fork cannot be used, nor new ones created beside them."""
        self._changed, self._forked = threading.Condition(), self._forked or bool(self._count)


NETWORKS = Pool(_create_networks, cores())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=NETWORKS.forked)
