"""Paints the area between the parted lips, teeth, tongue and darkness, into the warped photograph.

The upper teeth are those of the photograph; lower teeth, tongue and the dark between are colours in the mouth's
coordinates, moved by the jaw. Lengths are in mouth units (`vsr.corpora.puppet.portrait`).
"""

from __future__ import annotations

import cv2
import numpy as np

from vsr.corpora.puppet.mesh import GAP, lip_contours
from vsr.corpora.puppet.portrait import from_mouth, from_square, to_mouth, to_square

BITE = 0.30  # y of the biting edge of the upper teeth in the photograph, at x = 0
DARKNESS, TONGUE, LOWER_TEETH = (42.0, 16.0, 16.0), (176.0, 92.0, 90.0), (196.0, 186.0, 176.0)
LIP_LINE = (105.0, 52.0, 50.0)  # colour of the shadow where the lips meet


def paint_mouth(image: np.ndarray, photo: np.ndarray, pose: dict[str, float]) -> None:
    """Paint the area between the lips, and the line where they meet, into a frame, in place.

    Args:
        image: (SIZE, SIZE, 3) uint8, the face with its lips moved.
        photo: (SIZE, SIZE, 3) uint8, the photograph, which has the upper teeth.
        pose: name of each mouth parameter -> value.
    """
    _, _, upper, lower = lip_contours(pose)
    outline = to_square(from_mouth(np.concatenate([upper, lower[::-1]])))
    left, top = np.floor(outline.min(0)).astype(int) - 3
    right, bottom = np.ceil(outline.max(0)).astype(int) + 4
    gap, line = _gap_and_line(outline - (left, top), (bottom - top, right - left))
    points = np.stack(np.meshgrid(np.arange(left, right), np.arange(top, bottom)), axis=-1)
    cavity = _colours(to_mouth(from_square(points)), photo[top:bottom, left:right].astype(np.float32), pose)
    box = image[top:bottom, left:right]
    colour = _blend(box, cavity, gap * np.clip(pose["open"] * 12, 0, 1))
    box[:] = np.clip(_blend(colour, np.array(LIP_LINE), 0.5 * line), 0, 255).astype(np.uint8)


def _gap_and_line(outline: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Shares (h, w, 1) of each pixel that are within the outline (n, 2), and on it."""
    gap, line = np.zeros((2, *shape), np.uint8)
    corners = [np.round(outline * 16).astype(np.int32)]
    cv2.fillPoly(gap, corners, 255, cv2.LINE_AA, 4)
    cv2.polylines(line, corners, True, 255, 1, cv2.LINE_AA, 4)
    return _softened(gap), _softened(line)


def _softened(mask: np.ndarray) -> np.ndarray:
    """A mask (h, w) uint8 as shares (h, w, 1) with soft edges."""
    return (cv2.GaussianBlur(mask, (3, 3), 0.7) / np.float32(255))[..., None]


def _colours(points: np.ndarray, photo: np.ndarray, pose: dict[str, float]) -> np.ndarray:
    """Colours (h, w, 3) float of the open mouth at points (h, w, 2): the dark, the tongue and the teeth over it."""
    x, y = points[..., :1], points[..., 1:]
    side = np.clip(np.abs(x), 0, 1)
    drop = GAP * pose["jaw"]
    colour = np.ones_like(photo) * np.array(DARKNESS) * (1 - 0.3 * side)
    tongue_top = 0.36 + 0.7 * drop - 0.42 * pose["tongue"] + 0.5 * x**2
    colour = _blend(colour, np.array(TONGUE) * (0.9 - 0.35 * np.abs(x)), (y - tongue_top) * 14)
    low_edge = 0.27 + 0.85 * drop - 0.02 * np.cos(18 * x) + 0.12 * x**2
    low_teeth = np.array(LOWER_TEETH) * (0.92 - 0.5 * side**2)
    colour = _blend(colour, low_teeth, np.minimum((y - low_edge) * 18, (0.72 - np.abs(x)) * 8))
    bite = BITE - 0.20 * x**2
    return _blend(colour, photo * (0.97 - 0.35 * side**2), np.minimum((bite - y) * 18, (0.85 - np.abs(x)) * 8))


def _blend(under: np.ndarray, over: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """`over` where amount >= 1, `under` where it is <= 0."""
    amount = np.clip(amount, 0, 1)
    return under * (1 - amount) + over * amount
