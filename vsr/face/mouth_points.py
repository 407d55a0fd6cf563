"""The points of the mouth that a landmark stream reads, found by the attention mesh in every frame.

The mesh that crops are cut by is laid again only where a face moves, and sees lips coarsely. This one is laid on every
frame, in the region that the short-range detector gives: on its regions the published tracks of GRID were made.

Shapes: frame (H, W, 3) uint8 RGB; face points (37, 2) float32 pixels as in `vsr.face.faces`; mouth points (14, 2).
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from vsr.core.machine import cores
from vsr.face.canvas import Shape, points_on_frame, ratio
from vsr.face.landmarker import TasksLayer, landmarker_file
from vsr.face.mediapipe_graphs import LEFT_EYE, RIGHT_EYE, FaceBoxes, FaceMesh, Region
from vsr.face.networks import Stock

NINE = (78, 308, 13, 14, 152, 311, 81, 402, 178)  # corners, inner lips, chin, inner lips beside the middle
HELPERS = (0, 17, 10, 133, 362)  # outer lips, forehead, inner corners of the eyes
POINTS = NINE + HELPERS
LOOK_EVERY = 8  # frames between two looks of the detector
THREADS = 2  # for each face: with the caller's, more than two cores have work
AHEAD = 3  # looks that may wait for their frames' meshes: so many frames are kept
USUAL = (0.0, 0.46, 2.75, 0.0)  # a region beside the line of the outer eye corners, in its lengths: x, y, side, turn
FAR = (0.35, 0.6, 0.35)  # what the detector's region may differ from the usual: place and side (share), turn (rad)


class MouthMesh:
    """Lays the attention mesh, for one caller at a time."""

    def __init__(self):
        model = landmarker_file()
        self._mesh = TasksLayer(model) if model else FaceMesh(least=0.5, attention=True)
        self._near = None if model else FaceBoxes("ShortRange", least=0.3)  # a landmarker has a detector of its own

    def region(self, frame: np.ndarray, face: np.ndarray) -> np.ndarray:
        """The detector's region relative to the face's eyes (x, y, side, turn); the usual one where it sees none."""
        centre, line = _eyes(face)
        found = [_relative(seen.region, centre, line) for seen in self._near.find(frame)] if self._near else []
        near = [own for own in found if _is_near(own)]
        return min(near, key=lambda own: np.hypot(*(own - USUAL)[:2])) if near else np.array(USUAL)

    def lay(self, frame: np.ndarray, face: np.ndarray, relative: np.ndarray) -> np.ndarray:
        """Mouth points (14, 2) float32 pixels; NaN where the mesh is not sure of a face."""
        mesh = self._mesh.lay(frame, _absolute(relative, *_eyes(face)))
        return np.full((len(POINTS), 2), np.nan, np.float32) if mesh is None else mesh[list(POINTS)]


class MouthFollower:
    """The mouth of one face, frame after frame; the region runs straight between two looks of the detector.

    Threads of its own do it, while the caller's goes on with the next frames: the networks take most of the time, and
    let other threads run. The mesh is laid on every frame: points that run straight through some cost a reader of
    tracks more than they save. Of 1,200 words of GRID's s13 and s29, unknown to it, it read 300 wrong, 306 where a
    fifth of the frames, between two of slow lips, was passed over, and 321 with every second. Of 294 words of s4, 94
    were wrong, 105 without the frames of lips at rest, 91 with a look at every fourth frame, 88 at every frame.
    """

    def __init__(self, meshes: Stock[MouthMesh]):
        self.meshes = meshes
        self._threads: ThreadPoolExecutor | None = None
        self._coming: deque[Future] = deque()
        self._found: list[np.ndarray] = []
        self._waiting: list[tuple] = []  # since the last look: frame, the face's points, pixels for one of the canvas
        self._region: Future | None = None  # of the last look

    def add(self, frame: np.ndarray, face: np.ndarray, canvas: Shape | None = None) -> None:
        """The next frame, with the face's points (37, 2) in pixels of the canvas (`vsr.face.canvas`)."""
        self._waiting.append((frame, points_on_frame(face, frame.shape, canvas), ratio(frame.shape, canvas)))
        if self._region is None or len(self._waiting) == LOOK_EVERY:
            self._hand_over(Future(), look=True)

    def _hand_over(self, region: Future, look: bool) -> None:
        """Let the threads look at the last frame that waits and lay the mesh on all; they are behind by a few looks."""
        self._threads = self._threads or ThreadPoolExecutor(THREADS, "mouth points")
        self._coming.append(self._threads.submit(self._lay, self._waiting, self._region, region, look))
        self._region, self._waiting = region, []
        while len(self._coming) > AHEAD:
            self._found += self._coming.popleft().result()

    def _lay(self, frames: list[tuple], before: Future | None, after: Future, look: bool) -> list[np.ndarray]:
        """Mouth points of frames in pixels of the canvas; with ``look``, sets the region ``after`` them."""
        if look:
            self._look(after, *frames[-1][:2])
        end = after.result()
        begin = end if before is None else before.result()  # its task began before, and waits for nobody
        with self.meshes.lent() as mesh:
            found = []
            for step, (frame, face, scale) in enumerate(frames, 1):
                points = mesh.lay(frame, face, begin + step / len(frames) * (end - begin))
                found.append(points if scale is None else points / scale)
            return found

    def _look(self, region: Future, frame: np.ndarray, face: np.ndarray) -> None:
        try:
            with self.meshes.lent() as mesh:
                region.set_result(mesh.region(frame, face))
        except BaseException as error:
            region.set_exception(error)  # or others would wait for it for ever
            raise

    def points(self) -> np.ndarray:
        """Mouth points (T, 14, 2) of all frames so far, in pixels of the canvas; nothing is added afterwards."""
        found = self.points_so_far()
        if self._threads is not None:
            self._threads.shutdown()
        return found

    def points_so_far(self) -> np.ndarray:
        """The same, of frames that go on; those since the last look are laid where that one saw the mouth."""
        if self._waiting and self._region is not None:
            self._hand_over(self._region, look=False)
        while self._coming:
            self._found += self._coming.popleft().result()
        return np.stack(self._found)


MESHES = Stock(MouthMesh, cores())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=MESHES.forked)


def mouth_meshes() -> Stock[MouthMesh]:
    """The meshes that all threads share, loaded. Raises VsrError missing_package or forked."""
    MESHES.ready()
    return MESHES


def _eyes(face: np.ndarray) -> tuple[complex, complex]:
    """Middle between the outer corners of the eyes, and the line from the right to the left one."""
    right, left = (complex(*face[corner]) for corner in (RIGHT_EYE, LEFT_EYE))
    return (right + left) / 2, left - right or 1.0


def _relative(region: Region, centre: complex, line: complex) -> np.ndarray:
    place = (complex(region.x, region.y) - centre) / line
    turn = (region.turn - np.angle(line) + np.pi) % (2 * np.pi) - np.pi
    return np.array([place.real, place.imag, region.side / abs(line), turn])


def _absolute(relative: np.ndarray, centre: complex, line: complex) -> Region:
    x, y, side, turn = (float(value) for value in relative)
    place = centre + line * complex(x, y)
    return Region(place.real, place.imag, side * abs(line), turn + float(np.angle(line)))


def _is_near(relative: np.ndarray) -> bool:
    off = relative - USUAL
    return bool(np.hypot(off[0], off[1]) < FAR[0] and abs(off[2]) < FAR[1] * USUAL[2] and abs(off[3]) < FAR[2])
