"""The points of the mouth that a landmark stream reads, found by the attention mesh in every frame.

The mesh that crops are cut by is laid again only where a face moves, and sees lips coarsely. This one is laid on every
frame, in the region that the short-range detector gives: on its regions the published tracks of GRID were made.

Shapes: frame (H, W, 3) uint8 RGB; face points (37, 2) float32 pixels as in `vsr.face.faces`; mouth points (14, 2).
"""

from __future__ import annotations

import os

import numpy as np

from vsr.core.machine import cores
from vsr.face.canvas import Shape, points_on_frame, ratio
from vsr.face.mediapipe_graphs import LEFT_EYE, RIGHT_EYE, FaceBoxes, FaceMesh, Region
from vsr.face.networks import Stock

NINE = (78, 308, 13, 14, 152, 311, 81, 402, 178)  # corners, inner lips, chin, inner lips beside the middle
HELPERS = (0, 17, 10, 133, 362)  # outer lips, forehead, inner corners of the eyes
POINTS = NINE + HELPERS
LOOK_EVERY = 4  # frames between two looks of the detector
USUAL = (0.0, 0.46, 2.75, 0.0)  # a region beside the line of the outer eye corners, in its lengths: x, y, side, turn
FAR = (0.35, 0.6, 0.35)  # what the detector's region may differ from the usual: place and side (share), turn (rad)


class MouthMesh:
    """Lays the attention mesh, for one caller at a time."""

    def __init__(self):
        self._mesh = FaceMesh(least=0.5, attention=True)
        self._near = FaceBoxes("ShortRange", least=0.3)

    def region(self, frame: np.ndarray, face: np.ndarray) -> np.ndarray:
        """The detector's region relative to the face's eyes (x, y, side, turn); the usual one where it sees none."""
        centre, line = _eyes(face)
        found = [_relative(seen.region, centre, line) for seen in self._near.find(frame)]
        near = [own for own in found if _is_near(own)]
        return min(near, key=lambda own: np.hypot(*(own - USUAL)[:2])) if near else np.array(USUAL)

    def lay(self, frame: np.ndarray, face: np.ndarray, relative: np.ndarray) -> np.ndarray:
        """Mouth points (14, 2) float32 pixels; NaN where the mesh is not sure of a face."""
        mesh = self._mesh.lay(frame, _absolute(relative, *_eyes(face)))
        return np.full((len(POINTS), 2), np.nan, np.float32) if mesh is None else mesh[list(POINTS)]


class MouthFollower:
    """The mouth of one face, frame after frame; the region runs straight between two looks of the detector.

    The mesh is laid on every frame, also of calm lips: points that run straight through them cost a reader of tracks
    more than they save (words of GRID's s4: 5.4 % wrong, and 13.2 % where 30 % of the frames are passed over).
    """

    def __init__(self, meshes: Stock[MouthMesh]):
        self.meshes = meshes
        self._found: list[np.ndarray] = []
        self._waiting: list[tuple] = []  # since the last look: frame, the face's points, pixels for one of the canvas
        self._region: np.ndarray | None = None

    def add(self, frame: np.ndarray, face: np.ndarray, canvas: Shape | None = None) -> None:
        """The next frame, with the face's points (37, 2) in pixels of the canvas (`vsr.face.canvas`)."""
        self._waiting.append((frame, points_on_frame(face, frame.shape, canvas), ratio(frame.shape, canvas)))
        if self._region is None or len(self._waiting) == LOOK_EVERY:
            with self.meshes.lent() as mesh:
                self._lay(mesh, mesh.region(*self._waiting[-1][:2]))

    def _lay(self, mesh: MouthMesh, region: np.ndarray) -> None:
        before = region if self._region is None else self._region
        for step, (frame, face, scale) in enumerate(self._waiting, 1):
            share = step / len(self._waiting)
            found = mesh.lay(frame, face, before + share * (region - before))
            self._found.append(found if scale is None else found / scale)
        self._region, self._waiting = region, []

    def points(self) -> np.ndarray:
        """Mouth points (T, 14, 2) of all frames so far, in pixels of the canvas; nothing is added afterwards."""
        if self._waiting:
            with self.meshes.lent() as mesh:
                self._lay(mesh, self._region)
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
