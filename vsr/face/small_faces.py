"""Small faces: detection in parts of a frame, and a larger image of the place of a face.

Shapes: frame (H, W, 3) uint8 RGB; boxes (x0, y0, x1, y1) pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from vsr.face.faces import Face, is_inside, middle
from vsr.face.mediapipe_graphs import Detection

# The network scales a frame down, so small faces are searched for in squares; in a frame of a smaller ratio of its
# sides than WIDE they gain nothing. They overlap by at least such a share of their side.
WIDE, OVERLAP = 1.4, 0.2


def found_in_parts(find: Callable[[np.ndarray], list[Detection]], frame: np.ndarray) -> list[Detection]:
    """What a detector finds in parts of the frame, each face once, surest first."""
    seen = [_placed(detection, corner) for part, corner in _parts(frame) for detection in find(part)]
    kept: list[Detection] = []
    for detection in sorted(seen, key=lambda own: -own.score):
        if not any(is_same_place(detection, other) for other in kept):
            kept.append(detection)
    return kept


def is_same_place(detection: Detection, other: Detection) -> bool:
    """Whether either has its middle in the other: a part may show half of a face."""
    return is_inside(middle(detection.box), other.box) or is_inside(middle(other.box), detection.box)


def _placed(detection: Detection, corner: tuple[int, int]) -> Detection:
    """A detection in a part of a frame with this corner (x, y), in pixels of the whole frame."""
    region = replace(detection.region, x=detection.region.x + corner[0], y=detection.region.y + corner[1])
    x0, y0, x1, y1 = (value + corner[i % 2] for i, value in enumerate(detection.box))
    return Detection((x0, y0, x1, y1), detection.score, region)


def _parts(frame: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """(part of the frame, its corner): squares that overlap along the longer side, or a frame that is nearly square."""
    shape, axis = frame.shape[:2], int(frame.shape[1] > frame.shape[0])
    side, ratio = min(shape), max(shape) / min(shape)
    count = 1 if ratio < WIDE else math.ceil(ratio + OVERLAP)
    for start in np.linspace(0, max(shape) - side, count).round().astype(int).tolist():
        part = frame if count == 1 else frame[:, start : start + side] if axis else frame[start : start + side]
        yield part, (start, 0) if axis else (0, start)


def enlarged(frame: np.ndarray, box: tuple) -> tuple[np.ndarray | None, float, tuple[int, int]]:
    """(square part of 2.5 face sizes at >= 256 pixels, scale, its corner in the frame); None for a box outside."""
    import cv2

    height, width = frame.shape[:2]
    centre_x, centre_y = middle(box)
    half = 1.25 * max(box[2] - box[0], box[3] - box[1])
    x0, y0 = max(0, int(centre_x - half)), max(0, int(centre_y - half))
    x1, y1 = min(width, int(centre_x + half) + 1), min(height, int(centre_y + half) + 1)
    if x1 - x0 < 8 or y1 - y0 < 8:
        return None, 1.0, (0, 0)
    scale = max(1.0, 256 / max(x1 - x0, y1 - y0))
    size = (round((x1 - x0) * scale), round((y1 - y0) * scale))
    return cv2.resize(frame[y0:y1, x0:x1], size, interpolation=cv2.INTER_CUBIC), scale, (x0, y0)


def moved(face: Face, scale: float, corner: tuple[int, int], score: float) -> Face:
    """Convert a face in an enlarged part to pixels of the whole frame."""
    points = face.points / np.float32(scale) + np.float32(corner)
    left, top, right, bottom = (value / scale + corner[i % 2] for i, value in enumerate(face.box))
    return Face(points, (left, top, right, bottom), float(score))
