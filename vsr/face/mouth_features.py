"""Features of a landmark stream from a track of mouth points, normalised for size and rotation of the face.

A track is nine points relative to the midpoint of the inner eye corners, and eight measures of the mouth, as in the
published tracks of GRID (`vsr.corpora.landmarks`).

Shapes: mouth points (T, 14, 2) pixels as in `vsr.face.mouth_points`; points (T, 9, 2) pixels; measures (T, 8);
features (T, 32).
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from vsr.core.files import atomic_write
from vsr.face.mouth_points import NINE, POINTS

FEATURES = 32  # as many as `vsr.models.parts` expects
MEASURES = 8
JUMP = 0.2  # mouth widths; a point this far from both neighbouring frames is a detection error
FEWEST = 0.5  # least share of frames in which the mouth is seen
LONGEST_GAP = 12  # longest gap that counts as known, frames
CORNERS = (NINE.index(78), NINE.index(308))
# Standard deviation of each number within a clip; (mean, deviation) over GRID's speakers. Points in mouth widths.
POINT_SCALE, CENTRED_SCALE = (0.05, 0.1), (0.005, 0.005, 0.026, 0.075, 0.016, 0.05, 0.016, 0.04)
PLAIN = ((0.035, 0.008), (0.063, 0.006), (0.043, 0.028), (1.23, 0.12), (0.281, 0.027), (0.075, 0.052))


def measures_of(mouth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points (T, 9, 2) in pixels from the midpoint of the eyes, and measures (T, 8), from mouth points (T, 14, 2)."""
    at = {number: mouth[:, place].astype(np.float64) for place, number in enumerate(POINTS)}

    def apart(first: int, second: int) -> np.ndarray:
        return np.linalg.norm(at[first] - at[second], axis=1)

    height, eyes = np.maximum(apart(10, 152), 1e-3), np.maximum(apart(133, 362), 1e-3)
    gap, width = apart(13, 14) / height, apart(78, 308) / eyes
    area = _area(np.stack([at[number] for number in (78, 81, 13, 311, 308, 402, 14, 178)], 1)) / (height * eyes)
    changes = [np.zeros(len(mouth))] * 2
    measures = [apart(13, 0) / height, apart(14, 17) / height, gap, width, apart(13, 152) / height, area, *changes]
    middle = (at[133] + at[362]) / 2
    points = mouth[:, : len(NINE)] - middle[:, None]
    return points.astype(np.float32), with_changes(np.stack(measures, 1).astype(np.float32))


def _area(outline: np.ndarray) -> np.ndarray:
    """Twice the area of polygons (T, n, 2), as in the published measure."""
    following = np.roll(outline, -1, axis=1)
    return np.abs((outline[..., 0] * following[..., 1] - outline[..., 1] * following[..., 0]).sum(1))


def repaired(points: np.ndarray, measures: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The track with jumps and gaps filled by linear interpolation, and a mask (T,) of the reliable frames."""
    seen = np.isfinite(points).all((1, 2)) & np.isfinite(measures).all(1)
    if not seen.any():
        return np.zeros_like(points), np.zeros_like(measures), seen
    seen &= ~_jumps(points, seen)
    at, known = np.arange(len(points)), np.flatnonzero(seen)

    def filled(values: np.ndarray) -> np.ndarray:
        flat = values.reshape(len(values), -1)
        lines = [np.interp(at, known, flat[known, column]) for column in range(flat.shape[1])]
        return np.stack(lines, 1).reshape(values.shape).astype(np.float32)

    points, measures = filled(points), filled(measures)
    measures = with_changes(measures)
    distance = np.abs(at[:, None] - known[None]).min(1)
    return points, measures, distance <= LONGEST_GAP // 2


def with_changes(measures: np.ndarray) -> np.ndarray:
    """Set the last two of the measures (T, 8), in place, to the frame-to-frame change of the third and fourth."""
    measures[:, 6:] = np.diff(measures[:, 2:4], axis=0, prepend=measures[:1, 2:4])
    return measures


def _jumps(points: np.ndarray, is_seen: np.ndarray) -> np.ndarray:
    """(T,) bool: frames that differ much from both neighbours, while these agree."""
    width = np.median(np.linalg.norm(points[is_seen][:, CORNERS[0]] - points[is_seen][:, CORNERS[1]], axis=1))
    steps = np.abs(np.diff(points, axis=0)).max((1, 2)) > JUMP * max(width, 1e-3)
    jumps = np.zeros(len(points), bool)
    across = np.abs(points[2:] - points[:-2]).max((1, 2)) <= JUMP * max(width, 1e-3)
    jumps[1:-1] = steps[:-1] & steps[1:] & across
    return jumps


def features_of(points: np.ndarray, measures: np.ndarray) -> np.ndarray:
    """Features (T, 32) float32 of a track without gaps: rotated level, in mouth widths, minus the mean of the clip."""
    line = (points[:, CORNERS[1]] - points[:, CORNERS[0]]).mean(0)
    width = max(float(np.linalg.norm(line)), 1e-3)
    turn = np.array([[line[0], -line[1]], [line[1], line[0]]]) / width**2
    level = points @ turn
    place = ((level - level.mean(0)) / POINT_SCALE).reshape(len(points), -1)
    centred = (measures - measures.mean(0)) / np.array(CENTRED_SCALE)
    plain = (measures[:, : len(PLAIN)] - np.array(PLAIN)[:, 0]) / np.array(PLAIN)[:, 1]
    return np.clip(np.concatenate([place, centred, plain], 1), -8, 8).astype(np.float32)


def mouth_features(mouth: np.ndarray) -> np.ndarray | None:
    """Features (T, 32) of mouth points (T, 14, 2), NaN where not seen; None if too few were seen."""
    points, measures, known = repaired(*measures_of(mouth))
    return features_of(points, measures) if known.mean() >= FEWEST else None


def write_track(path: str | Path, points: np.ndarray, measures: np.ndarray) -> None:
    """Write a track, points (T, 9, 2) and measures (T, 8), to an .npz file."""
    content = io.BytesIO()  # a ZIP file truncated by a full disk would raise again when it is deleted
    np.savez(content, points=points.astype(np.float32), measures=measures.astype(np.float32))
    with atomic_write(Path(path)) as temporary:
        temporary.write_bytes(content.getbuffer())


def read_track(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read points and measures that `write_track` wrote. Raises OSError, ValueError or KeyError."""
    with np.load(path, allow_pickle=False) as stored:
        points, measures = stored["points"], stored["measures"]
    if points.shape[1:] != (len(NINE), 2) or measures.shape != (len(points), MEASURES) or not len(points):
        raise ValueError(f"arrays of {points.shape} and {measures.shape} are no track of mouth points")
    return points, measures
