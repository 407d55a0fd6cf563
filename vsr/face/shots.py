"""Shot boundary detection in a stream of frames, with a latency of a few frames.

A cut shows as a change of the frame that stands out from the changes before and after it (the measure is that of
PySceneDetect's AdaptiveDetector), so a jump cut within one scene is found and a moving camera is not a cut. Frames
that a low frame rate repeats are left out of that comparison. Where everything moves at once, a cut is a frame whose
pattern has little in common with the one before. A shot also begins after a few empty frames, to which one scene fades
and from which the next does. A frame of another shape always begins a shot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from vsr.media.frame_shape import same_aspect

SIZE = (64, 36)  # pixels that are compared
COARSE = (16, 9)  # where the resolution changes
RATIO = 4.4  # a cut changes the frame so many times as much as the frames round it do
LEAST = 3.0  # and by so much, mean of hue, saturation and brightness (of 255)
REACH = 2  # frames before and after that are compared
FLASH = 12  # frames; a frame that comes back within them was only interrupted: a flash, a blank, a hand
BLANK, BLANKS = 2.0, 3  # standard deviation (of 255) of an empty frame; so many of them part two shots
REPEATS = 6  # a frame that stands longer than this is a still, not a low frame rate


def shots(frames: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Frames (H, W, 3) uint8 -> (frame, whether a shot begins with it)."""
    for frame, begins, _ in mark_shots((frame, None) for frame in frames):
        yield frame, begins


def mark_shots(items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, bool, Any]]:
    """(frame, anything) -> (frame, whether a shot begins with it, the same thing); at most 26 frames of latency."""
    detector = ShotDetector()
    waiting: deque = deque()
    first = True
    for number, item in enumerate(items):
        known = detector.push(number, item[0])
        waiting.append((number, item))
        while waiting and waiting[0][0] < known:
            number, (frame, thing) = waiting.popleft()
            yield frame, first or number in detector.cuts, thing
            first = False
    detector.flush()
    for number, (frame, thing) in waiting:
        yield frame, first or number in detector.cuts, thing
        first = False


class ShotDetector:
    """Takes frames, and collects the numbers of those that begin a shot in `cuts`."""

    def __init__(self) -> None:
        self.cuts: set[int] = set()
        self._colours: np.ndarray | None = None  # of the last frame
        self._changes: deque[float] = deque(maxlen=2 * REACH + 1)  # of the last frames, each from the one before
        self._shown: dict[int, int] = {}  # how many frames were shown before -> number of the frame
        self._count = 0
        self._images: dict[int, np.ndarray] = {}  # thumbnails of the last frames by number of the frame
        self._fresh: list[tuple[int, np.ndarray]] = []  # cuts that may be undone yet, with the frame before
        self._reshaped: set[int] = set()  # cuts that stand, as the frame has another shape from there on
        self._last: np.ndarray | None = None
        self._thumbnail: np.ndarray | None = None
        self._repeats = 0
        self._blanks, self._after_blank = 0, -1  # empty frames since the last other one; the first after such frames

    def push(self, number: int, frame: np.ndarray) -> int:
        """Add a frame (H, W, 3) uint8; returns the frame number below which all cuts are known."""
        self._repeats = self._repeats + 1 if frame is self._last else 0
        if self._last is not None and not same_aspect(frame.shape, self._last.shape):
            self._turned(number)
        if self._repeats == 0 or self._repeats >= REPEATS:
            thumbnail = self._thumbnail
            if self._repeats == 0:
                thumbnail = thumbnail_of(frame)
            if self._last is None:
                for _ in range(REACH + 1):  # as if the first frame had stood before: a cut can follow at once
                    self._show(number, thumbnail)
            before, now = self._compared(frame, thumbnail)
            broken = before is not None and _breaks(before, now)
            change = None if now is thumbnail else _change(_colours(now), _colours(before))
            self._last, self._thumbnail = frame, thumbnail
            self._count_blank(number, thumbnail)
            self._show(number, thumbnail, change)
            if broken:
                self._add_cut(number)
        known = self._shown[self._count - REACH]
        self._fresh = [cut for cut in self._fresh if known - cut[0] <= FLASH]
        return min([known, *(cut for cut, _ in self._fresh)])

    def flush(self) -> None:
        """End of the video: the last frame alone is never a shot."""
        if self._thumbnail is not None:
            last = self._shown[self._count - 1]
            for _ in range(REACH):
                self._show(last, self._thumbnail)
            self.cuts -= {last} - self._reshaped

    def _compared(self, frame: np.ndarray, thumbnail: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """The thumbnails of the frame before and of this one to compare, coarse ones where the resolution changes: the
        detail gained or lost by that is no cut."""
        if self._last is None or frame.shape == self._last.shape:
            return self._thumbnail, thumbnail
        return _coarse(self._last), _coarse(frame)

    def _show(self, number: int, thumbnail: np.ndarray, change: float | None = None) -> None:
        """Add a frame and its change from the one before, if that is known; returns whether the frame REACH before it
        begins a shot."""
        self._shown[self._count] = number
        self._images[number] = thumbnail
        if len(self._images) > 4 * REACH:
            del self._images[min(self._images)]
        colours = _colours(thumbnail)
        if change is None:
            change = 0.0 if self._colours is None else _change(colours, self._colours)
        self._changes.append(change)
        self._colours = colours
        if len(self._changes) == 2 * REACH + 1:
            middle = self._shown[self._count - REACH]
            if middle == self._after_blank or _stands_out(list(self._changes)):
                self._add_cut(middle)
        self._shown.pop(self._count - 2 * REACH, None)
        self._count += 1

    def _count_blank(self, number: int, thumbnail: np.ndarray) -> None:
        """Count empty frames, and remember the first frame after several: a scene may have faded to them."""
        import cv2

        if cv2.meanStdDev(thumbnail)[1].max() < BLANK:
            self._blanks += 1
            return
        if self._blanks >= BLANKS:
            self._after_blank = number
        self._blanks = 0

    def _turned(self, number: int) -> None:
        """Add a cut that is never undone: the points before and after are in pixels of different frame shapes."""
        self.cuts.add(number)
        self._reshaped.add(number)
        self._fresh = []

    def _add_cut(self, number: int) -> None:
        """Add a cut, unless it brings back the frame from before a cut a moment ago."""
        if number in self.cuts:
            return
        image = self._images[number]
        before = self._images[max((n for n in self._images if n < number), default=number)]
        for index, (cut, old) in enumerate(self._fresh):
            if _is_alike(old, image):
                self.cuts.difference_update(cut for cut, _ in self._fresh[index:])
                del self._fresh[index:]
                return
        self.cuts.add(number)
        self._fresh.append((number, before))


def thumbnail_of(frame: np.ndarray) -> np.ndarray:
    """Thumbnail (36, 64, 3) uint8, each pixel the mean of four of the frame: a mean of all would take longer than the
    rest."""
    import cv2

    twice = (2 * SIZE[0], 2 * SIZE[1])
    return cv2.resize(cv2.resize(frame, twice, interpolation=cv2.INTER_NEAREST), SIZE, interpolation=cv2.INTER_AREA)


def _coarse(frame: np.ndarray) -> np.ndarray:
    """A thumbnail (36, 64, 3) uint8 reduced to 16 x 9 means."""
    import cv2

    return cv2.resize(cv2.resize(frame, COARSE, interpolation=cv2.INTER_AREA), SIZE, interpolation=cv2.INTER_LINEAR)


def _colours(thumbnail: np.ndarray) -> np.ndarray:
    """Hue, saturation and brightness (36, 64, 3) uint8. Red and blue are swapped, which keeps the hue of skin away
    from where hues wrap around."""
    import cv2

    return cv2.cvtColor(thumbnail, cv2.COLOR_BGR2HSV)


def _change(image: np.ndarray, other: np.ndarray) -> float:
    """Mean difference of two uint8 frames."""
    import cv2

    return cv2.norm(image, other, cv2.NORM_L1) / image.size


def _stands_out(changes: list[float]) -> bool:
    """Whether the middle one of the changes is a cut: it stands out from the others."""
    around = (sum(changes) - changes[REACH]) / (2 * REACH)
    return changes[REACH] >= LEAST and changes[REACH] >= RATIO * around


def _is_alike(image: np.ndarray, other: np.ndarray) -> bool:
    """Whether two frames are the same except for moving parts; of two that are nearly black, the patterns decide."""
    return _change(image, other) < 2 * LEAST and not _differ(image, other)


def _breaks(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether much has changed and the patterns (36, 64, 3) have little in common; a flash keeps the pattern."""
    change = _change(np.ascontiguousarray(before[..., 1]), np.ascontiguousarray(after[..., 1]))
    return change >= 15 and _differ(before, after)


def _differ(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether the patterns of green of two frames (36, 64, 3) have little in common."""
    first, second = (image[..., 1].ravel() - image[..., 1].mean() for image in (before, after))
    return float(first @ second) < 0.5 * float(np.linalg.norm(first) * np.linalg.norm(second))
