"""Effective frame rates of stored crops, so that lists get the same warnings as single videos."""

from __future__ import annotations

from collections.abc import Sequence

from vsr.core.clock import FPS
from vsr.data.crop_files import read_crop
from vsr.data.manifest import Clip
from vsr.face.frame_rate import FEW, frame_rate


def frame_rates(clips: Sequence[Clip]) -> list[float]:
    """Changes per second of the mouth in the crop of each clip; 25 for clips without a crop, such as sound alone.

    Raises VsrError as `vsr.data.crop_files.read_crop`.
    """
    return [frame_rate(read_crop(clip.crop)) if clip.crop else float(FPS) for clip in clips]


def slow_clips(clips: Sequence[Clip]) -> list[str]:
    """Ids of the clips with too few frames per second to be read well."""
    return [clip.id for clip, rate in zip(clips, frame_rates(clips), strict=True) if rate < FEW]
