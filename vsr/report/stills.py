"""A few frames of a clip, cut around the face, with its landmarks and the corners of the crop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.face.canvas import Shape, points_on_frame
from vsr.face.geometry import crop_corners, mouth_transforms
from vsr.face.mouth_crop import MouthClip
from vsr.media.reader import frames_from

STILLS = 4
STILL_SIDE = 320  # pixels
FACE_REACH = 1.15  # half the side of a still, relative to the size of the landmarks' box


@dataclass(frozen=True)
class Still:
    """The face in a frame. image (320, 320, 3) uint8; points (37, 2), and corners (4, 2) of the crop, in its pixels."""

    frame: int
    image: np.ndarray
    points: np.ndarray
    corners: np.ndarray


def stills(clip: MouthClip, start: int, stop: int, count: int = STILLS) -> list[Still]:
    """Frames evenly spaced over start ... stop, each cut around the face, with its landmarks."""
    indices = sorted({start + int((k + 0.5) / count * (stop - start)) for k in range(count)})
    matrices = mouth_transforms(clip.landmarks)
    images = _frames_at(clip, indices)
    points_of_frame = {i: (clip.landmarks[i], crop_corners(matrices[i])) for i in indices}
    return [_still(images[i], points_of_frame[i], clip.canvas, i - start) for i in indices]


def _still(image: np.ndarray, point_sets: Iterable[np.ndarray], canvas: Shape | None, frame: int) -> Still:
    import cv2

    points, corners = (points_on_frame(xy, image.shape, canvas) for xy in point_sets)
    low, high = points.min(0), points.max(0)
    side = max(1, round(2 * FACE_REACH * float((high - low).max())))
    corner, scale = np.round((low + high) / 2 - side / 2), STILL_SIDE / side
    face = cv2.warpAffine(image, np.column_stack([np.eye(2), -corner]), (side, side), borderMode=cv2.BORDER_REPLICATE)
    face = cv2.resize(face, (STILL_SIDE, STILL_SIDE), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return Still(frame, face, (points - corner) * scale, (corners - corner) * scale)


def _frames_at(clip: MouthClip, indices: list[int]) -> dict[int, np.ndarray]:
    """Crop frame -> its original frame (H, W, 3); the video is read again up to the last of them."""
    images: dict[int, np.ndarray] = {}
    for image, position in frames_from(clip.info.path, clip.begin, as_shown=True):
        images |= {i: image.copy() for i in indices if abs(position.time - clip.times[i]) < 0.5 / FPS}
        if len(images) == len(indices):
            return images
    raise VsrError("unreadable", f"{clip.info.path}: a second reading gave fewer frames than the first")
