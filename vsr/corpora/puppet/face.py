"""Renders mouth poses and blinks: the photograph with lips, jaw and eyelids moved, one frame at a time.

A mesh of triangles covers mouth and eyes of the photograph. A pose moves its corners, every pixel then looks up where
its triangle was in the photograph, and the area between the parted lips is painted.
"""

from __future__ import annotations

import cv2
import numpy as np

from vsr.corpora.puppet.mesh import moved_corners, resting_corners, triangulate
from vsr.corpora.puppet.oral_cavity import paint_mouth
from vsr.corpora.puppet.portrait import SIZE, photograph, to_square, without_smile
from vsr.corpora.puppet.visemes import PARAMETERS


class Face:
    """The photograph with its mesh, rendered in any pose."""

    def __init__(self):
        self.photo = photograph()  # (SIZE, SIZE, 3) uint8
        self.skin = without_smile(self.photo)
        self.rest = to_square(resting_corners())
        self.triangles = triangulate(self.rest)
        self.low = np.maximum(np.floor(self.rest.min(0)).astype(int) - 2, 0)
        self.high = np.minimum(np.ceil(self.rest.max(0)).astype(int) + 3, SIZE)
        x, y = np.meshgrid(np.arange(self.low[0], self.high[0]), np.arange(self.low[1], self.high[1]))
        self._pixels = np.stack([x, y], axis=-1).astype(np.float32)

    def frame(self, pose: np.ndarray, blink: float = 0.0) -> np.ndarray:
        """The face (SIZE, SIZE, 3) uint8 RGB with the mouth in `pose` (K,), lids closed by `blink` 0..1."""
        parameters = dict(zip(PARAMETERS, map(float, pose), strict=True))
        lookup = self._lookup(to_square(moved_corners(parameters, blink)))
        skin = cv2.remap(self.skin, lookup, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        result = self.skin.copy()
        result[self.low[1] : self.high[1], self.low[0] : self.high[0]] = skin
        paint_mouth(result, self.photo, parameters)
        return result

    def _lookup(self, targets: np.ndarray) -> np.ndarray:
        """The place in the photograph for each pixel of the mesh's box, (h, w, 2) float32."""
        owner = np.zeros(self._pixels.shape[:2], np.uint16)
        shifted = np.round((targets - self.low) * 16).astype(np.int32)
        for number, triangle in enumerate(shifted[self.triangles], 1):
            cv2.fillConvexPoly(owner, triangle, number, lineType=cv2.LINE_8, shift=4)
        affine = _affine_back(targets[self.triangles], self.rest[self.triangles])[owner]
        return np.einsum("hwij,hwj->hwi", affine[..., :2], self._pixels) + affine[..., 2]


def _affine_back(targets: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Affine maps (N + 1, 2, 3) from moved triangles (N, 3, 2) to resting ones; number 0 is the identity."""
    edges, rest = targets[:, 1:] - targets[:, :1], sources[:, 1:] - sources[:, :1]
    (a, b), (c, d) = np.moveaxis(edges[:, 0], 1, 0), np.moveaxis(edges[:, 1], 1, 0)
    area = a * d - b * c
    area = np.where(np.abs(area) < 0.5, np.inf, area)  # a triangle squeezed to a line looks up one corner only
    inverse = np.stack([d, -b, -c, a], axis=-1).reshape(-1, 2, 2) / area[:, None, None]
    linear = (inverse @ rest).transpose(0, 2, 1)
    offset = sources[:, 0] - np.einsum("nij,nj->ni", linear, targets[:, 0])
    maps = np.concatenate([linear, offset[:, :, None]], axis=2)
    return np.concatenate([np.eye(3)[None, :2], maps]).astype(np.float32)
