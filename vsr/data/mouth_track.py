"""The track of mouth points of a clip, and the features computed from it.

Shapes: points (T, 9, 2), measures (T, 8), features (T, F), as in `vsr.face.mouth_features`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.clock import FPS
from vsr.core.errors import VsrError, cause_of
from vsr.data.manifest import Clip
from vsr.face.mouth_features import CORNERS, FEWEST, features_of, read_track, repaired


@dataclass(frozen=True)
class Track:
    """points (T, 9, 2) and measures (T, 8) of one clip."""

    points: np.ndarray
    measures: np.ndarray

    def __getitem__(self, span: slice) -> Track:
        return Track(self.points[span], self.measures[span])

    def __len__(self) -> int:
        return len(self.points)

    @property
    def width(self) -> float:
        """Mean width of the mouth, pixels."""
        line = (self.points[:, CORNERS[1]] - self.points[:, CORNERS[0]]).mean(0)
        return max(float(np.linalg.norm(line)), 1e-3)


def join_tracks(tracks: Sequence[Track]) -> Track:
    """The tracks in sequence, as one."""
    return Track(
        np.concatenate([track.points for track in tracks]), np.concatenate([track.measures for track in tracks])
    )


def load_track(clip: Clip) -> Track:
    """The clip's track, with gaps filled. Raises VsrError bad_manifest."""
    points, measures, _ = _repaired_track(clip)
    return Track(points, measures)


def load_features(clip: Clip) -> np.ndarray | None:
    """The features of the clip's track, (T, F); None where the mouth was hardly seen. Raises VsrError bad_manifest."""
    points, measures, is_seen = _repaired_track(clip)
    if len(points) != clip.num_frames:
        problem = f"the track of {clip.id} has {len(points)} frames, its crop {clip.num_frames}"
        raise VsrError("bad_manifest", f"{problem}: run vsr crop again")
    return features_of(points, measures) if is_seen.mean() >= FEWEST else None


def _repaired_track(clip: Clip) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points and measures of the clip's track with gaps filled, and the mask of reliable frames. Raises VsrError."""
    try:
        return repaired(*read_track(clip.track))
    except (OSError, ValueError, KeyError) as error:
        raise VsrError("bad_manifest", f"cannot read the track of {clip.id}: {cause_of(error)}") from error


def span_of(clip: Clip) -> tuple[int, int]:
    """(first, one past the last) frame of the words; all frames where word times are unknown."""
    if not clip.words:
        return 0, clip.num_frames
    return round(clip.words[0][1] * FPS), min(clip.num_frames, round(clip.words[-1][2] * FPS))
