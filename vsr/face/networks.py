"""The networks that look for faces, lent to whoever looks at a frame.

They remember nothing between two frames and can run one at a time, so threads share a few sets of them: no more than
there are cores, however many threads look for faces.
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
PATIENCE = 30.0  # seconds to wait for a set before one more is made: an interrupted thread may have lost its own
FORKED = (
    "this process is a fork of one that had looked for faces, and their networks do not survive that: start processes "
    "with multiprocessing.get_context('spawn'), or before the first video is read"
)


@dataclass(frozen=True)
class Networks:
    """One set: the mesh of a face, and detectors of near and of far faces."""

    mesh: FaceMesh
    near: FaceBoxes
    far: FaceBoxes


def _made() -> Networks:
    # At 0.5 the mesh slides off a face in motion and takes the neck for one; at 0.7 it lets go and looks again.
    return Networks(FaceMesh(least=0.7), FaceBoxes("ShortRange", least=0.3), FaceBoxes("FullRange", least=0.5))


class Stock(Generic[Lent]):
    """Things that are made when needed, ``most`` at a time, and lent to one thread each.

    ``asked``: whether those who could do without asked for what they find, when they last could.
    """

    def __init__(self, make: Callable[[], Lent], most: int):
        self._make, self._most = make, most
        self._free: list[Lent] = []
        self._count = 0  # free and lent
        self.asked = False
        self._news, self._forked = threading.Condition(), False

    def ready(self) -> None:
        """Make the first, so that what is wrong is found out now. Raises what making raises; VsrError forked."""
        if not self._count or self._forked:
            with self.lent():
                pass

    @contextmanager
    def lent(self) -> Iterator[Lent]:
        """One of them, for the time of the block; where that fails it is given up, since it may be the cause.

        Raises what making one raises; VsrError forked.
        """
        one = self._taken()
        try:
            yield one
        except BaseException:
            with self._news:
                self._count -= 1
                self._news.notify()
            raise
        with self._news:
            self._free.append(one)
            self._news.notify()

    def _taken(self) -> Lent:
        if self._forked:
            raise VsrError("forked", FORKED)
        with self._news:
            self._news.wait_for(lambda: self._free or self._count < self._most, PATIENCE)
            if self._free:
                return self._free.pop()
            self._count += 1
        try:
            return self._make()
        except BaseException:
            with self._news:
                self._count -= 1
                self._news.notify()
            raise

    def forked(self) -> None:
        """This process has just been forked: what was made before cannot be used, nor can others be made beside it."""
        self._news, self._forked = threading.Condition(), self._forked or bool(self._count)


NETWORKS = Stock(_made, cores())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=NETWORKS.forked)
