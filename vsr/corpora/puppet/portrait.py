"""The photograph of the puppet: its pixels, measurements on it, and the coordinate systems.

The photograph is the portrait of Eileen Collins (NASA, public domain) that scikit-image includes as `data.astronaut`.
There are three coordinate systems, each with x to the right and y down: pixels of the photograph; pixels of the
rendered square, which shows an enlarged part of it; and the mouth's own, in units of half the mouth's width from its
middle.
"""

from __future__ import annotations

import cv2
import numpy as np

SIZE = 288  # side of the square that is rendered, in pixels
CROP_X, CROP_Y, CROP_SIZE = 136, 24, 176  # the part of the photograph that is shown

# Measured by us on the photograph, in its pixels, from the right corner of the mouth to the left.
OUTER_UPPER = ((202.3, 139.8), (204.5, 139.6), (207.5, 139.5), (211.5, 139.4), (217.2, 139.3), (223.6, 140.2),
               (230.1, 139.7), (236.3, 140.0), (240.4, 140.2), (243.7, 140.4), (246.6, 140.8))  # fmt: skip
OUTER_LOWER = ((202.3, 139.8), (204.6, 144.2), (207.5, 148.3), (211.5, 152.1), (216.7, 154.4), (222.9, 155.4),
               (229.4, 154.9), (235.0, 152.9), (239.6, 149.4), (243.1, 145.3), (246.6, 140.8))  # fmt: skip
INNER_UPPER = ((203.7, 140.4), (206.2, 140.7), (209.4, 141.3), (213.1, 142.0), (217.7, 143.0), (223.5, 143.8),
               (229.6, 143.4), (234.6, 142.6), (238.5, 142.0), (241.9, 141.5), (245.2, 141.3))  # fmt: skip
INNER_LOWER = ((203.7, 140.4), (206.9, 143.9), (209.4, 146.4), (213.1, 148.7), (217.6, 150.2), (223.1, 150.9),
               (228.9, 150.5), (233.7, 149.1), (237.8, 147.2), (240.9, 144.9), (245.2, 141.3))  # fmt: skip
# (edge of the upper lid, of the lower lid) of each eye, the right one first.
EYES = (
    (((195.5, 100.8), (197.6, 99.2), (199.7, 98.2), (203.2, 97.9), (206.9, 98.4), (210.4, 100.2), (214.1, 104.0)),
     ((195.5, 100.8), (198.1, 103.1), (200.3, 104.0), (203.8, 104.6), (207.3, 104.6), (210.7, 104.3), (214.1, 104.0))),
    (((236.9, 105.3), (241.3, 102.0), (245.0, 100.6), (248.8, 100.3), (252.4, 101.0), (254.5, 102.4), (256.3, 104.2)),
     ((236.9, 105.3), (240.2, 105.8), (243.6, 106.4), (247.1, 106.8), (250.6, 106.8), (253.0, 106.2), (256.3, 104.2))),
)  # fmt: skip
MOUTH = np.array((224.2, 145.5))  # origin of the mouth's axes
UNIT, TILT = 22.0, 0.03  # half width in pixels of the photograph; rotation of the mouth's axes, radians
AXES = UNIT * np.array(((np.cos(TILT), np.sin(TILT)), (-np.sin(TILT), np.cos(TILT))))  # the mouth's x and y
AXES_BACK = np.linalg.inv(AXES)


def to_square(points) -> np.ndarray:
    """Pixels of the photograph -> of the rendered square, (..., 2) float32; the centres of pixels agree."""
    return ((np.asarray(points) - (CROP_X, CROP_Y) + 0.5) * (SIZE / CROP_SIZE) - 0.5).astype(np.float32)


def from_square(points: np.ndarray) -> np.ndarray:
    """Pixels of the rendered square -> of the photograph, (..., 2)."""
    return (points + 0.5) * (CROP_SIZE / SIZE) - 0.5 + (CROP_X, CROP_Y)


def to_mouth(points) -> np.ndarray:
    """Pixels of the photograph -> mouth units, (..., 2)."""
    return (np.asarray(points) - MOUTH) @ AXES_BACK


def from_mouth(points: np.ndarray) -> np.ndarray:
    """Mouth units -> pixels of the photograph, (..., 2)."""
    return points @ AXES + MOUTH


def lip_gap() -> np.ndarray:
    """Outline (22, 2) float32 of the gap between the lips, in pixels of the square."""
    return _outline(INNER_UPPER, INNER_LOWER)


def eye_outlines() -> list[np.ndarray]:
    """Outline (14, 2) float32 of each open eye, in pixels of the square."""
    return [_outline(upper, lower) for upper, lower in EYES]


def _outline(upper, lower) -> np.ndarray:
    return to_square(np.concatenate([upper, lower[::-1]]))


def photograph() -> np.ndarray:
    """The shown part of the photograph, enlarged to (SIZE, SIZE, 3) uint8 RGB."""
    import skimage.data

    part = skimage.data.astronaut()[CROP_Y : CROP_Y + CROP_SIZE, CROP_X : CROP_X + CROP_SIZE]
    return cv2.resize(part, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)


def without_smile(photo: np.ndarray) -> np.ndarray:
    """The photograph (SIZE, SIZE, 3) with teeth and dark corners of its smile filled from the surrounding lips."""
    gap, lips = (_fill(outline) for outline in (lip_gap(), _outline(OUTER_UPPER, OUTER_LOWER)))
    dark = (photo.max(axis=2) < 150) & (cv2.dilate(lips, np.ones((9, 9))) > 0)
    mask = cv2.dilate(np.where(dark, 255, gap).astype(np.uint8), np.ones((3, 3)))
    return cv2.inpaint(photo, mask, 5, cv2.INPAINT_TELEA)


def _fill(outline: np.ndarray) -> np.ndarray:
    """(SIZE, SIZE) uint8, 255 within the outline."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], 255)
    return mask
