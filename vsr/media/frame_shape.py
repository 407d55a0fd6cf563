"""The shape in which a decoded frame is shown: square pixels, upright, at most 1280 pixels on the longer side.

Every frame has a shape of its own, which depends on nothing but that frame and the stream: cameras that are turned,
calls that change their resolution and broadcasts that change between 4:3 and 16:9 do so in the middle of a file, and a
frame that is reached by a seek must come out as it does on the way from the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from av.video.stream import VideoStream

MAX_SIDE = 1280  # pixels; a face that fills a lip reader's crop needs no more
SQUARE = Fraction(1)
MOST_ASPECT = 4  # width of a pixel by its height, or height by width; VCDs in 16:9 reach 2.9, beyond 4 it is damage
LEAST_ASPECT = 0.01  # by so much must a pixel differ from a square: headers round the sizes that they state
TELL_ASPECT = {"mov", "matroska", "avi", "asf", "mxf", "nut"}  # containers whose word on it holds, as in players
LASTS = 3  # frames after which a new shape is believed; a damaged header spoils the size of one or two
SAME_ASPECT = 0.03  # of width by height: what rounding and the two conventions for PAL and NTSC make of one frame


@dataclass(frozen=True)
class FrameShape:
    """width, height: pixels to which the coded frame is scaled; turns: quarter turns against the clock that then set
    it upright."""

    width: int
    height: int
    turns: int

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frame that is shown."""
        return (self.height, self.width) if self.turns % 2 else (self.width, self.height)


class FrameShapes:
    """Finds the shapes of the frames of a video stream of an open container."""

    def __init__(self, stream: VideoStream):
        self._stream, self._context = stream, stream.codec_context
        self._first: FrameShape | None = None
        # of the last frame: its shape; coded size, aspect and turns
        self._shape: FrameShape | None = None
        self._known: tuple[tuple[int, int], Fraction | None, int] | None = None

    def noted(self, frames: Iterable) -> Iterator:
        """The frames, in the order in which they are decoded, each with its shape for `shape_of`."""
        for frame in frames:
            if self._of(frame) is not self._first:
                frame.opaque = [self._shape]  # a list of its own: av forgets an object with the first of its frames
            yield frame

    def shape_of(self, frame) -> FrameShape:
        """The shape of a frame that was noted; of the first one also if it was not."""
        return frame.opaque[0] if frame.opaque else self._first or self._of(frame)

    def _of(self, frame) -> FrameShape:
        """The shape of the frame that was decoded last."""
        before, aspect, held = self._known or self._begun(frame)
        coded, turns = (frame.width, frame.height), quarter_turns(frame)
        if frame.key_frame or coded != before:
            # The decoder reports a change with the first packet of the new kind, while frames of the old kind are yet
            # to come; the new kind begins with a key frame, or with a frame of another size.
            aspect = aspect if self._overruled else self._context.sample_aspect_ratio
        elif not turns:
            turns = held  # H.264 and HEVC tag a key frame for all that follow it
        if self._shape is None or (coded, aspect, turns) != self._known:
            self._known, self._shape = (coded, aspect, turns), _shape(coded, aspect, turns)
        self._first = self._first or self._shape
        return self._shape

    def _begun(self, frame) -> tuple[tuple[int, int], Fraction | None, int]:
        """Coded size, aspect and turns of the first frame."""
        of_codec, said = self._context.sample_aspect_ratio, self._stream.sample_aspect_ratio
        tells = set(self._stream.container.format.name.split(",")) & TELL_ASPECT
        self._overruled = bool(said) and (not of_codec or (bool(tells) and said != of_codec))
        return (frame.width, frame.height), said if self._overruled else of_codec, quarter_turns(frame)


def _shape(coded: tuple[int, int], aspect: Fraction | None, turns: int) -> FrameShape:
    return FrameShape(*scaled_size(*squared_size(*coded, aspect)), turns)


class Converter:
    """Makes the frames of decoded frames; its tables serve all frames of one shape."""

    def __init__(self):
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()

    def rgb(self, frame, shape: FrameShape, size: tuple[int, int]) -> np.ndarray:
        """A decoded frame -> (H, W, 3) uint8 RGB in its shape, fitted into `size` (W, H)."""
        rgb = self._reformatter.reformat(frame, shape.width, shape.height, "rgb24", interpolation="AREA")
        upright = np.ascontiguousarray(np.rot90(rgb.to_ndarray(), shape.turns))
        return upright if shape.size == size else fitted(upright, size)


def with_sizes(shaped: Iterable[tuple[Any, FrameShape]]) -> Iterator[tuple[Any, FrameShape, tuple[int, int]]]:
    """(frame, shape) -> (frame, shape, size (W, H) of the frame that is shown), LASTS frames behind where that
    changes: a frame or two of another shape are damage, and are fitted into the frame round them."""
    size: tuple[int, int] | None = None
    odd: list[tuple[Any, FrameShape]] = []
    for frame, shape in shaped:
        size = size or shape.size
        if odd and shape.size != odd[0][1].size:
            yield from ((*item, size) for item in odd)
            odd = []
        if shape.size == size:
            yield frame, shape, size
            continue
        odd.append((frame, shape))
        if len(odd) == LASTS:
            size = shape.size
            yield from ((*item, size) for item in odd)
            odd = []
    if size:
        yield from ((*item, size) for item in odd)


def squared_size(width: int, height: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """(width, height) of a frame of square pixels as high as one of `width` x `height` pixels of that aspect.

    No aspect, 0 and what no camera has are taken for squares.
    """
    aspect = float(pixel_aspect or SQUARE)
    if abs(aspect - 1) < LEAST_ASPECT or not 1 / MOST_ASPECT <= aspect <= MOST_ASPECT:
        return width, height
    return max(1, round(width * aspect)), height


def scaled_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) with the longer side at most MAX_SIDE."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def quarter_turns(frame) -> int:
    """Quarter turns against the clock that set a decoded frame upright."""
    return round((frame.rotation or 0) / 90) % 4


def same_aspect(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether frames (H, W, ...) and (H', W', ...) differ in resolution alone."""
    ratio = shape[1] * other[0] / (shape[0] * other[1])
    return abs(ratio - 1) < SAME_ASPECT


def fitted(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Frame (H, W, 3) as large as fits into `size` (width, height), black beside it; itself where it has that size."""
    import cv2

    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    if same_aspect(image.shape, size[::-1]):
        inner = size
    else:
        scale = min(size[0] / width, size[1] / height)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
    shrinks = inner[0] < width
    resized = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = resized
    return canvas
