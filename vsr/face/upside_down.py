"""Faces upside down: the detector is unsure of them, and sure of them in the frame turned by 180 degrees.

In frames of ten films of seven people the short-range detector scored upright faces 0.77 to 0.98 and upside-down ones
up to 0.75, and placed the eyes of those at their mouths. The mesh follows a face at any angle once its region is known.

Shapes: frame (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from vsr.face.mediapipe_graphs import Detection
from vsr.face.small_faces import is_same_place

UPRIGHT = 0.8  # score from which a face is taken as upright, and a turned one is believed
SURER = 0.1  # by so much a turned face must score higher


def found_either_way(find: Callable[[np.ndarray], list[Detection]], frame: np.ndarray) -> list[Detection]:
    """What a detector finds in a frame, faces upside down with their own region, surest first. The frame is turned only
    if the detector is unsure of something in it."""
    upright = find(frame)
    if all(detection.score >= UPRIGHT for detection in upright):
        return upright
    turned = [_turned(detection, frame.shape) for detection in find(np.ascontiguousarray(frame[::-1, ::-1]))]
    surer = [detection for detection in turned if _is_surer(detection, upright)]
    others = [detection for detection in upright if not any(is_same_place(detection, other) for other in surer)]
    return sorted(others + surer, key=lambda detection: -detection.score)


def _is_surer(detection: Detection, upright: list[Detection]) -> bool:
    """Whether a face in the turned frame scores higher than what was found there upright, or high by itself."""
    scores = [other.score for other in upright if is_same_place(detection, other)]
    return detection.score > max(scores) + SURER if scores else detection.score >= UPRIGHT


def _turned(detection: Detection, shape: tuple[int, ...]) -> Detection:
    """A detection in the turned frame, in pixels of the frame of a shape (H, W, 3)."""
    height, width = shape[:2]
    x0, y0, x1, y1 = detection.box
    own = detection.region
    region = replace(own, x=width - own.x, y=height - own.y, turn=own.turn + np.pi)
    return Detection((width - x1, height - y1, width - x0, height - y0), detection.score, region)
