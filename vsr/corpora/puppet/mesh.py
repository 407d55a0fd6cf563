"""The mesh over the photograph: its corners at rest, its triangles, and where a pose moves the corners.

Corners lie on the edges of lips and eyelids and on rings of skin around them. Corners of the lips follow the pose;
rings follow the lips, less with distance, and the outermost do not move.

Shapes: P corners: lips (44), rings around the mouth (72), then for each eye its lids (14) and a ring (12). A pose maps
the names in `vsr.corpora.puppet.visemes.PARAMETERS` to about 0..1.
"""

from __future__ import annotations

import cv2
import numpy as np

from vsr.corpora.puppet import portrait
from vsr.corpora.puppet.portrait import EYES, from_mouth, to_mouth

JAW_DROP, GAP = 0.50, 0.62  # how far jaw = 1 lowers the chin, and open = 1 parts the lips, in mouth units
LIP_CORNERS, RING_CORNERS, LID_CORNERS, EYE_RING_CORNERS = 44, 24, 14, 12


def resting_corners() -> np.ndarray:
    """All corners of the mesh at rest, in pixels of the photograph, (P, 2)."""
    lips = np.concatenate([portrait.OUTER_UPPER, portrait.OUTER_LOWER, portrait.INNER_UPPER, portrait.INNER_LOWER])
    eyes = [np.concatenate([upper, lower, _eye_ring(upper, lower)]) for upper, lower in EYES]
    return np.concatenate([lips, from_mouth(_rings().reshape(-1, 2)), *eyes])


def moved_corners(pose: dict[str, float], blink: float) -> np.ndarray:
    """The corners moved by a pose, and by lids closed by `blink` 0..1, in pixels of the photograph, (P, 2)."""
    contours = lip_contours(pose)
    moved = [from_mouth(np.concatenate(contours)), from_mouth(_moved_rings(pose, *contours[:2]))]
    for upper, lower in EYES:
        lids = np.asarray(upper) + 0.95 * blink * (np.asarray(lower) - upper)
        moved.append(np.concatenate([lids, lower, _eye_ring(upper, lower)]))
    return np.concatenate(moved)


def lip_contours(pose: dict[str, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Outer upper, outer lower, inner upper, inner lower edge of the lips in mouth units, each (11, 2)."""
    s = np.linspace(-1, 1, 11)
    x = np.sign(s) * np.abs(s) ** 0.9
    half = 0.90 * (1 + 0.12 * pose["width"] - 0.26 * pose["round"] - 0.07 * pose["jaw"])
    arch = np.sqrt(np.clip(1 - s**2, 0, 1)) * (1 - 0.25 * (1 - pose["round"]) * s**2)
    lip_line = 0.09 - 0.11 * s**2 - 0.05 * pose["width"] * s**2 + 0.10 * pose["jaw"] * s**2
    up = arch * (0.22 * GAP * pose["open"] + 0.10 * pose["raise"] * pose["open"] ** 0.5)
    down = arch * (0.78 * GAP * pose["open"])
    tuck = 0.12 * pose["tuck"] * arch
    inner_up, inner_low = lip_line - up, lip_line + down - tuck * pose["open"]
    thick_up, thick_low = _lip_thickness(pose, s)
    outer_x, inner_x = half * x * 1.04, half * x
    return (
        np.stack([outer_x, inner_up - thick_up - 0.02 * pose["round"]], axis=-1),
        np.stack([outer_x, inner_low + thick_low], axis=-1),
        np.stack([inner_x, inner_up], axis=-1),
        np.stack([inner_x, inner_low], axis=-1),
    )


def _lip_thickness(pose: dict[str, float], s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height of the upper and the lower lip, mouth units, at places ``s`` from corner (-1) to corner (1)."""
    press, pout = 1 - 0.45 * pose["press"], 1 + 0.30 * pose["round"]
    bow = 1 - 0.10 * np.exp(-((s / 0.15) ** 2))  # Cupid's bow
    upper = 0.19 * bow * np.sqrt(np.clip(1 - s**2, 0, 1)) * press * pout + 0.02
    lower = 0.27 * np.sqrt(np.clip(1 - s**2, 0, 1)) * press * pout * (1 - 0.45 * pose["tuck"]) + 0.02
    return upper, lower


def _rings() -> np.ndarray:
    """Rings of skin in mouth units, (3, 24, 2): around the lips, across chin and cheeks, held still."""
    angle = np.linspace(0, 2 * np.pi, RING_CORNERS, endpoint=False)
    x, y = np.cos(angle), np.sin(angle)
    shapes = ((1.32, 0.42, 0.80), (1.75, 0.62, 1.42), (2.35, 1.15, 2.05))
    return np.stack([np.stack([w * x, np.where(y < 0, up, down) * y], axis=-1) for w, up, down in shapes])


def _moved_rings(pose: dict[str, float], outer_up: np.ndarray, outer_low: np.ndarray) -> np.ndarray:
    """Rings (72, 2) that follow the lips, less with distance; chin and cheeks follow the jaw."""
    rings = _rings()
    upper, lower = outer_up - to_mouth(portrait.OUTER_UPPER), outer_low - to_mouth(portrait.OUTER_LOWER)
    for ring, follow, jaw in zip(rings, (0.55, 0.15, 0.0), (0.30, 0.80, 0.0), strict=True):
        reach = ring[:, 0] / np.abs(ring[:, 0]).max()
        for shift, side in ((upper, ring[:, 1] < 0), (lower, ring[:, 1] >= 0)):
            places = np.linspace(-1, 1, len(shift))
            pull = np.stack([np.interp(reach[side], places, shift[:, axis]) for axis in (0, 1)], axis=-1)
            below = np.clip(ring[side, 1] / 0.8, 0, 1)
            ring[side] += follow * pull
            ring[side, 1] += jaw * JAW_DROP * pose["jaw"] * below
    return rings.reshape(-1, 2)


def _eye_ring(upper, lower) -> np.ndarray:
    """Skin around an eye that does not move, (12, 2)."""
    centre = np.mean([*upper, *lower], axis=0)
    angle = np.linspace(0, 2 * np.pi, EYE_RING_CORNERS, endpoint=False)
    return centre + np.stack([13.5 * np.cos(angle), 7.5 * np.sin(angle)], axis=-1)


def triangulate(points: np.ndarray) -> np.ndarray:
    """Triangles (N, 3) of the resting corners (P, 2), given in pixels of the square; none between the lips.

    A pixel on an edge belongs to the triangle drawn last: triangles within the eyes come first, so that the lids are
    drawn over them.
    """
    triangles = np.concatenate([_delaunay(points, group) for group in _regions()])
    eyes = portrait.eye_outlines()
    return np.concatenate(
        [_inside(triangles, points, eyes, True), _inside(triangles, points, [portrait.lip_gap(), *eyes], False)]
    )


def _regions() -> list[np.ndarray]:
    """Indices of the corners of each region with its own mesh: mouth, right eye, left eye."""
    mouth, eye = LIP_CORNERS + 3 * RING_CORNERS, LID_CORNERS + EYE_RING_CORNERS
    return [np.arange(mouth), *(mouth + eye * number + np.arange(eye) for number in (0, 1))]


def _delaunay(points: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Delaunay triangles (n, 3) of a group of corners."""
    from scipy.spatial import Delaunay

    # Corners of lips and lids coincide.
    _, unique = np.unique(points[group].round(2), axis=0, return_index=True)
    group = group[np.sort(unique)]
    return group[Delaunay(points[group]).simplices]


def _inside(triangles: np.ndarray, points: np.ndarray, outlines: list[np.ndarray], inside: bool) -> np.ndarray:
    """The triangles with their centre inside one of the outlines, or with ``inside`` False the others."""
    centres = points[triangles].mean(axis=1)
    tests = [[cv2.pointPolygonTest(line, (float(x), float(y)), False) > 0 for x, y in centres] for line in outlines]
    return triangles[np.any(tests, axis=0) == inside]
