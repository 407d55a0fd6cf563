"""Brings decoded frames to their display shape: square pixels, upright, for reading at most 1280 pixels on the longer
side.

The shape is determined for each frame, only from that frame and the stream: cameras are turned, calls change their
resolution and broadcasts change between 4:3 and 16:9 in the middle of a file, and a frame that is reached by seeking
must look as it does when reading from the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from vsr.media.colours import guessed_matrix, says_matrix
from vsr.media.orientation import UPRIGHT, Orientation, orientation_of, oriented

if TYPE_CHECKING:
    from av.video.stream import VideoStream

MAX_SIDE = 1280  # pixels; sufficient for a face that fills a lip reader's crop
SQUARE = Fraction(1)
MOST_ASPECT = 4  # largest ratio of a pixel's sides; VCDs in 16:9 have 2.9, more than 4 is damage
LEAST_ASPECT = 0.01  # smaller differences from square pixels are due to rounding in headers
TELL_ASPECT = {"mov", "matroska", "avi", "asf", "mxf", "nut"}  # containers whose aspect overrides the codec's
LASTS = 3  # frames after which a new shape is accepted; a damaged header affects the size of one or two
Known = tuple[tuple[int, int], Fraction | None, Orientation]
SAME_ASPECT = 0.03  # tolerance of width by height, for rounding and the two conventions for PAL and NTSC


@dataclass(frozen=True)
class FrameShape:
    """width, height: pixels to which the coded frame is scaled; orientation: how it is then brought upright."""

    width: int
    height: int
    orientation: Orientation

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frame as it is shown."""
        return (self.height, self.width) if self.orientation.turns % 2 else (self.width, self.height)


class FrameShapes:
    """Determines the shapes of the frames of a video stream in an open container, with at most ``max_side`` pixels on
    the longer side."""

    def __init__(self, stream: VideoStream, max_side: float = MAX_SIDE):
        self._stream, self._context, self._max_side = stream, stream.codec_context, max_side
        self._first: FrameShape | None = None
        # of the last frame: its shape; coded size, aspect and orientation
        self._shape: FrameShape | None = None
        self._known: Known | None = None

    def note_shapes(self, frames: Iterable) -> Iterator:
        """Yield the frames, in decoding order, after noting the shape of each for `shape_of`."""
        for frame in frames:
            if self._shape_of_frame(frame) is not self._first:
                frame.opaque = [self._shape]  # a new list for each: av drops a shared object with its first frame
            yield frame

    def shape_of(self, frame) -> FrameShape:
        """The shape of a frame from `note_shapes`; for the first frame also without it."""
        return frame.opaque[0] if frame.opaque else self._first or self._shape_of_frame(frame)

    def _shape_of_frame(self, frame) -> FrameShape:
        """The shape of the most recently decoded frame."""
        previous_size, aspect, previous_orientation = self._known or self._first_shape(frame)
        coded, orientation = (frame.width, frame.height), orientation_of(frame)
        if frame.key_frame or coded != previous_size:
            # The decoder reports a change with the first packet of the new shape, while frames of the old shape are
            # still to come; the new shape begins with a key frame, or with a frame of another size.
            aspect = aspect if self._container_decides else self._context.sample_aspect_ratio
        elif orientation == UPRIGHT:
            orientation = previous_orientation  # H.264 and HEVC tag only the key frame, for all that follow
        if self._shape is None or (coded, aspect, orientation) != self._known:
            size = scaled_size(*squared_size(*coded, aspect), self._max_side)
            self._known, self._shape = (coded, aspect, orientation), FrameShape(*size, orientation)
        self._first = self._first or self._shape
        return self._shape

    def _first_shape(self, frame) -> Known:
        """Coded size, aspect and orientation of the first frame."""
        codec_aspect, container_aspect = self._context.sample_aspect_ratio, self._stream.sample_aspect_ratio
        trusted = set(self._stream.container.format.name.split(",")) & TELL_ASPECT
        self._container_decides = bool(container_aspect) and (
            not codec_aspect or (bool(trusted) and container_aspect != codec_aspect)
        )
        return (
            (frame.width, frame.height),
            container_aspect if self._container_decides else codec_aspect,
            orientation_of(frame),
        )


class Converter:
    """Converts decoded frames to RGB; its tables are reused for all frames of one shape. ``as_shown``: in the colours
    that players show (`vsr.media.colours`)."""

    def __init__(self, as_shown: bool = False):
        from av.video.reformatter import VideoReformatter

        self._reformatter, self._as_shown = VideoReformatter(), as_shown

    def rgb(self, frame, shape: FrameShape, size: tuple[int, int]) -> np.ndarray:
        """Convert a decoded frame to (H, W, 3) uint8 RGB in its shape, fitted into `size` (W, H)."""
        guess = self._as_shown and not says_matrix(frame)
        matrix = {"src_colorspace": guessed_matrix(frame.width, frame.height)} if guess else {}
        rgb = self._reformatter.reformat(frame, shape.width, shape.height, "rgb24", interpolation="AREA", **matrix)
        upright = oriented(rgb.to_ndarray(), shape.orientation)
        return upright if shape.size == size else fit_into(upright, size)


def with_sizes(shaped: Iterable[tuple[Any, FrameShape]]) -> Iterator[tuple[Any, FrameShape, tuple[int, int]]]:
    """(frame, shape) -> (frame, shape, display size (W, H)), delayed by LASTS frames where the size changes: one or two
    frames of another shape are damage, and are fitted into the size of their neighbours."""
    size: tuple[int, int] | None = None
    pending: list[tuple[Any, FrameShape]] = []
    for frame, shape in shaped:
        size = size or shape.size
        if pending and shape.size != pending[0][1].size:
            yield from ((*item, size) for item in pending)
            pending = []
        if shape.size == size:
            yield frame, shape, size
            continue
        pending.append((frame, shape))
        if len(pending) == LASTS:
            size = shape.size
            yield from ((*item, size) for item in pending)
            pending = []
    if size:
        yield from ((*item, size) for item in pending)


def squared_size(width: int, height: int, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """(width, height) in square pixels, with the same height, of a frame of `width` x `height` pixels of that aspect.

    A missing, zero or implausible aspect is treated as square.
    """
    aspect = float(pixel_aspect or SQUARE)
    if abs(aspect - 1) < LEAST_ASPECT or not 1 / MOST_ASPECT <= aspect <= MOST_ASPECT:
        return width, height
    return max(1, round(width * aspect)), height


def scaled_size(width: int, height: int, max_side: float = MAX_SIDE) -> tuple[int, int]:
    """(width, height) scaled so that the longer side is at most ``max_side``."""
    scale = min(1.0, max_side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def same_aspect(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether frames (H, W, ...) and (H', W', ...) differ only in resolution."""
    ratio = shape[1] * other[0] / (shape[0] * other[1])
    return abs(ratio - 1) < SAME_ASPECT


def fit_into(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a frame (H, W, 3) to fit into `size` (width, height), with black borders; unchanged if it has that size."""
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
