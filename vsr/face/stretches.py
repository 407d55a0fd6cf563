"""Which frames of a face are read: those in which the lips can be seen and move, by landmarks and by pixels.

Transcripts, voices, captions and pages all use this rule.

Shapes: crop (T, 96, 96) uint8 gray; points (T, 37, 2) float32 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vsr.core.clock import FPS
from vsr.face import lip_motion
from vsr.face import mouth_appearance as mouth_look
from vsr.face.geometry import CROP, turn
from vsr.face.visual_vad import activity, spans_of, speech_and_rest
from vsr.media.resample import between_gaps

RESTING, COVERED = "rest", "covered"  # why a stretch is not read
MOVING = 1.3  # lips' change by the face's; photographs in motion and masks: up to 1.25, speech: from 1.4 on
LONG = 37  # frames on each side: in three seconds somebody who speaks has moved the lips
CALM = 1.2  # within a second, of what does not look like a mouth: lips in a beard move more
SHARE = 0.65  # of the frames that may move less
LIT = 30.0  # of 255, the lightest tenth of the face: the change of a darker one is that of rounding
# Nose beside the middle of the eyes, in their distances: a mouth looks like one from the front (GRID: up to 0.1), and
# of a face that is turned away the frame is not asked at all.
FRONTAL, TURNED = 0.1, 0.25
FOUND = 0.5  # share of the frames: a mesh that holds less, on no mouth, is none of a face (or of one upside down)
SHORTEST = 12  # frames: less between two covered stretches, or beside missing frames, is no word


@dataclass(frozen=True)
class Stretches:
    """active (T,): motion of the lips, by the landmarks; speech: (start, stop) frames that are read; skipped: (start,
    stop, reason) of those that are not; covered (T,) bool: frames in which no mouth is visible; look: appearance of the
    mouth; sides: ratio of the motion of its halves, at least 1."""

    active: np.ndarray
    speech: list[tuple[int, int]]
    skipped: list[tuple[int, int, str]]
    covered: np.ndarray
    look: mouth_look.Look
    sides: float

    def spans(self, window: int) -> list[tuple[int, int]]:
        """(start, stop) frames of about ``window`` that are each read by themselves."""
        return [span for said in self.speech for span in spans_of(self.active, *said, window)]


def stretches_of(
    crop: np.ndarray, points: np.ndarray, found_share: float = 1.0, times: np.ndarray | None = None
) -> Stretches:
    """The stretches of a face that are read, and those that are not; found_share: share of the frames in which the face
    was found; times (T,): a stretch of speech ends where frames are missing."""
    patches, cells = cells_of(crop)
    motion, look = lip_motion.lip_motion(cells), mouth_look.look_of(patches)
    turned, lit = _running_quantile(turn(points), mouth_look.REACH), _lightest(cells) >= LIT
    still = lit & (turned < TURNED) & (_running_quantile(motion.lips, LONG) < MOVING)
    covered = lit & (turned < FRONTAL) & _hidden(motion, look)
    if found_share < FOUND and np.median(look.likeness) < mouth_look.LIKENESS:
        covered[:] = True
    active = activity(points)
    reasons = _reasons(active, still, covered)
    runs = [(start, stop, str(reasons[start])) for start, stop in _runs(reasons)]
    speech = [(start, stop) for start, stop, reason in runs if not reason]
    speech = speech if times is None else between_gaps(times, speech, SHORTEST)
    skipped = [run for run in runs if run[2]]
    sides = motion.sides[lit & (turned < FRONTAL)]
    return Stretches(active, speech, skipped, covered, look, float(np.median(sides)) if len(sides) else 1.0)


def cells_of(crop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T, 96, 96) uint8 -> means of 3 x 3 pixels (T, 32, 32), and of 6 x 6 (T, 16, 16), float32."""
    rows = _sums(crop.reshape(-1, 3, CROP).astype(np.uint16), 3)
    patches = (_sums(rows.reshape(-1, 3), 3) / np.float32(9)).reshape(len(crop), CROP // 3, CROP // 3)
    pairs = patches[:, ::2] + patches[:, 1::2]
    return patches, (pairs[:, :, ::2] + pairs[:, :, 1::2]) / 4


def _sums(parts: np.ndarray, count: int) -> np.ndarray:
    """Parts (n, count, ...) added up: by slices, which takes a tenth of the time of `sum` over so short an axis."""
    return sum((parts[:, k] for k in range(1, count)), start=parts[:, 0])


def _lightest(cells: np.ndarray) -> np.ndarray:
    """(T,) gray level that a tenth of the cells exceed."""
    flat = cells.reshape(len(cells), -1)
    place = flat.shape[1] * 9 // 10
    return np.partition(flat, place, axis=1)[:, place]


def _hidden(motion: lip_motion.LipMotion, look: mouth_look.Look) -> np.ndarray:
    """(T,) bool: frames in which no mouth is visible: nothing there looks like one or moves like one."""
    return look.strange & (_running_quantile(motion.lips, mouth_look.REACH) < CALM) | look.black


def _running_quantile(values: np.ndarray, reach: int) -> np.ndarray:
    """(T,) running quantile SHARE over the frames around each; at the ends, that of the nearest whole window."""
    width = min(2 * reach + 1, len(values))
    windows = np.lib.stride_tricks.sliding_window_view(values, width)
    place = int(SHARE * (width - 1))
    found = np.partition(windows, place, axis=1)[:, place]
    return found[np.clip(np.arange(len(values)) - reach, 0, len(found) - 1)]


def _reasons(active: np.ndarray, still: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """(T,) the reason why each frame is not read, "" where it is read."""
    reasons = np.full(len(active), "", dtype="<U7")
    rests = [(0, len(active))] if still.all() else speech_and_rest(active, still)[1]
    for start, stop in rests:
        reasons[start:stop] = COVERED if covered[start:stop].mean() > 0.5 else RESTING
    for start, stop in _runs(covered):
        if covered[start] and stop - start >= FPS:
            reasons[start:stop] = COVERED
    if covered.all():
        reasons[:] = COVERED
    elif COVERED in reasons:
        for start, stop in _runs(reasons):
            if not reasons[start] and stop - start < SHORTEST:
                reasons[start:stop] = COVERED
    return reasons


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of each run of equal values."""
    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1), len(values)]
    return [(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]
