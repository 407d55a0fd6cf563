"""How often a second the mouths of stored crops change: what single videos are told of is told of a list, too."""

from __future__ import annotations

from collections.abc import Sequence

from vsr.core.clock import FPS
from vsr.data.manifest import Clip
from vsr.data.stored import read_crop
from vsr.face.frame_rate import FEW, frame_rate


def frame_rates(clips: Sequence[Clip]) -> list[float]:
    """Changes a second of the mouth in the crop of each clip; 25 for one without a crop, such as sound alone.

    Raises VsrError as `vsr.data.stored.read_crop`.
    """
    return [frame_rate(read_crop(clip.crop)) if clip.crop else float(FPS) for clip in clips]


def slow_clips(clips: Sequence[Clip]) -> list[str]:
    """Ids of those that have too few frames a second to be read well."""
    return [clip.id for clip, rate in zip(clips, frame_rates(clips), strict=True) if rate < FEW]
