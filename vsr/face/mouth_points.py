"""The points of the mouth that the landmark stream reads, found by the attention mesh in every frame.

The mesh used for cropping is fitted again only when a face moves, and sees the lips coarsely. This one is fitted in
every frame, in the region that the short-range detector finds, as for the published tracks of GRID.

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
from vsr.face.networks import Pool

NINE = (78, 308, 13, 14, 152, 311, 81, 402, 178)  # corners, inner lips, chin, inner lips beside the middle
HELPERS = (0, 17, 10, 133, 362)  # outer lips, forehead, inner corners of the eyes
POINTS = NINE + HELPERS
LOOK_EVERY = 8  # frames between two looks of the detector
THREADS = 2  # for each face, besides the thread of the caller
AHEAD = 3  # looks whose meshes may be pending: limits the frames that are kept
USUAL = (
    0.0,
    0.46,
    2.75,
    0.0,
)  # usual region relative to the line of the outer eye corners, in its lengths: x, y, side, turn
FAR = (
    0.35,
    0.6,
    0.35,
)  # largest difference of a detected region from the usual one: position, side (share), turn (rad)


class MouthMesh:
    """Fits the attention mesh, for one caller at a time."""

    def __init__(self):
        model = landmarker_file()
        self._mesh = TasksLayer(model) if model else FaceMesh(least=0.5, attention=True)
        self._near = None if model else FaceBoxes("ShortRange", least=0.3)  # a landmarker has a detector of its own

    def region(self, frame: np.ndarray, face: np.ndarray) -> np.ndarray:
        """The detected region relative to the eyes of the face (x, y, side, turn); the usual one if there is none."""
        centre, line = _eyes(face)
        regions = [_relative(seen.region, centre, line) for seen in self._near.find(frame)] if self._near else []
        near = [region for region in regions if _is_near(region)]
        return min(near, key=lambda region: np.hypot(*(region - USUAL)[:2])) if near else np.array(USUAL)

    def fit(self, frame: np.ndarray, face: np.ndarray, relative: np.ndarray) -> np.ndarray:
        """Mouth points (14, 2) float32 pixels; NaN if the mesh does not find a face."""
        mesh = self._mesh.fit(frame, _absolute(relative, *_eyes(face)))
        return np.full((len(POINTS), 2), np.nan, np.float32) if mesh is None else mesh[list(POINTS)]


class MouthFollower:
    """The mouth of one face, frame by frame; the region is interpolated between two looks of the detector.

    The networks take most of the time and release the interpreter, so they run in threads while the caller prepares
    the next frames. The mesh is fitted in every frame, as interpolated points cost a reader of tracks more than they
    save. Of 1,200 words of GRID's s13 and s29, who were unknown to the reader, 300 were wrong; 306 when a fifth of the
    frames, those of slow lips, was interpolated, and 321 when every second frame was. Of 294 words of s4, 94 were
    wrong; 105 without frames of resting lips, 91 with a look at every fourth frame and 88 at every frame.
    """

    def __init__(self, meshes: Pool[MouthMesh]):
        self.meshes = meshes
        self._threads: ThreadPoolExecutor | None = None
        self._pending: deque[Future] = deque()
        self._points: list[np.ndarray] = []
        self._waiting: list[
            tuple
        ] = []  # frames since the last look: frame, points of the face, frame pixels per canvas pixel
        self._region: Future | None = None  # of the last look

    def add(self, frame: np.ndarray, face: np.ndarray, canvas: Shape | None = None) -> None:
        """Add the next frame, with the points (37, 2) of the face in pixels of the canvas (`vsr.face.canvas`)."""
        self._waiting.append((frame, points_on_frame(face, frame.shape, canvas), ratio(frame.shape, canvas)))
        if self._region is None or len(self._waiting) == LOOK_EVERY:
            self._hand_over(Future(), look=True)

    def _hand_over(self, region: Future, look: bool) -> None:
        """Let the threads detect the region in the last waiting frame and fit the mesh in all waiting frames."""
        self._threads = self._threads or ThreadPoolExecutor(THREADS, "mouth points")
        self._pending.append(self._threads.submit(self._points_of_frames, self._waiting, self._region, region, look))
        self._region, self._waiting = region, []
        while len(self._pending) > AHEAD:
            self._points += self._pending.popleft().result()

    def _points_of_frames(
        self, frames: list[tuple], before: Future | None, after: Future, look: bool
    ) -> list[np.ndarray]:
        """Mouth points of frames in pixels of the canvas; ``look``: first detect ``after``, the region in the last."""
        if look:
            self._detect_region(after, *frames[-1][:2])
        end = after.result()
        begin = end if before is None else before.result()  # its task started earlier and waits for no other
        with self.meshes.borrow() as mesh:
            mouths = []
            for step, (frame, face, scale) in enumerate(frames, 1):
                points = mesh.fit(frame, face, begin + step / len(frames) * (end - begin))
                mouths.append(points if scale is None else points / scale)
            return mouths

    def _detect_region(self, region: Future, frame: np.ndarray, face: np.ndarray) -> None:
        try:
            with self.meshes.borrow() as mesh:
                region.set_result(mesh.region(frame, face))
        except BaseException as error:
            region.set_exception(error)  # or the other tasks would wait for it forever
            raise

    def points(self) -> np.ndarray:
        """Mouth points (T, 14, 2) of all frames, in pixels of the canvas; no frame can be added afterwards."""
        points = self.points_so_far()
        if self._threads is not None:
            self._threads.shutdown()
        return points

    def points_so_far(self) -> np.ndarray:
        """The same while frames are still added; those since the last look use the region of that look."""
        if self._waiting and self._region is not None:
            self._hand_over(self._region, look=False)
        while self._pending:
            self._points += self._pending.popleft().result()
        return np.stack(self._points)


MESHES = Pool(MouthMesh, cores())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=MESHES.forked)


def mouth_meshes() -> Pool[MouthMesh]:
    """The pool of meshes that all threads share, with one loaded. Raises VsrError missing_package or forked."""
    MESHES.ready()
    return MESHES


def _eyes(face: np.ndarray) -> tuple[complex, complex]:
    """Midpoint of the outer corners of the eyes, and the vector from the right one to the left one."""
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
    x, y, side, turn = relative - USUAL
    return bool(np.hypot(x, y) < FAR[0] and abs(side) < FAR[1] * USUAL[2] and abs(turn) < FAR[2])
