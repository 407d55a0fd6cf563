"""Whether a face in front of a camera has spoken within the last moments: live, nobody can look ahead to a whole shot.

Shapes: frame (H, W, 3) uint8.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vsr.face.geometry import shares_inside
from vsr.face.piece import MIN_INSIDE, MouthCutter
from vsr.face.speaker_selection import MIN_SEEN
from vsr.face.stretches import stretches_of
from vsr.face.tracker import STRIDE, OpenTrack
from vsr.face.visual_vad import LONG_REST, REST

# (last frames that decide, share of them in which lips must move): of one who begins to speak, and of one who has
# spoken and may only pause. Of films of four GRID clips by s1, with a second of silence between them, beside a face
# that grimaces, one was lost where 50 frames decided on a pause.
BEGINS, GOES_ON = (LONG_REST, 0.5), (LONG_REST + 10, 0.2)


def has_spoken(track: OpenTrack, frame_at: Callable[[int], np.ndarray], newest: int, rule: tuple[int, float]) -> bool:
    """Whether the lips of a face moved as in speech until now; ``frame_at`` gives a frame by its number, up to
    ``newest``; rule: `BEGINS` or `GOES_ON`. False for a face that has been seen for less than two seconds, is out of
    sight or has its mouth off the frame."""
    frames, share = rule
    sizes = track.sizes[-frames:]
    if len(sizes) < LONG_REST or newest - track.last > STRIDE or np.isfinite(sizes).mean() < MIN_SEEN:
        return False
    cutter = MouthCutter(track)
    cutter.done = cutter.total - len(sizes)
    cuts = list(cutter.cut(frame_at, cutter.total))
    inside = shares_inside(track.canvas or cuts[-1].frame.shape, np.stack([cut.matrix for cut in cuts]))
    if np.mean(inside < MIN_INSIDE) > 1 - MIN_SEEN:
        return False
    stretches = stretches_of(np.stack([cut.crop for cut in cuts]), np.stack([cut.points for cut in cuts]))
    return bool(stretches.speech) and float(np.mean(stretches.active >= REST)) >= share
