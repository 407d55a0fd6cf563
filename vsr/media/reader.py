"""Reads a video file as RGB frames at exactly 25 fps, the first stage of the data flow.

Shapes: frames (n, H, W, 3) uint8; times (n,) float64, seconds after the container's start (`vsr.media.timestamps`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, dropwhile
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.media.container import decoded_frames, first_frame, open_video, video_clock
from vsr.media.damage import Hole
from vsr.media.extent import PacketBuffer, extent_of
from vsr.media.frame_shape import MAX_SIDE as MAX_SIDE
from vsr.media.frame_shape import Converter, FrameShape, FrameShapes, with_sizes
from vsr.media.frame_shape import scaled_size as scaled_size
from vsr.media.resample import Position, index_at, named_part, on_grid, with_repetitions
from vsr.media.seeking import landed_before, rewind, seek_before
from vsr.media.streams import stream_choice
from vsr.media.timestamps import Clock, mean_rate
from vsr.media.truncation import Demuxed, check_complete, check_whole

CHUNK_BYTES = 64 << 20


@dataclass(frozen=True)
class VideoInfo:
    """Facts from the header and the time stamps. fps: mean frame rate of the file; num_frames: number of frames that
    `read_frames` yields; duration: seconds from the first frame to the end of the last; width, height: pixels of the
    first frame from `read_frames` (square, upright and scaled); start: second of the first frame; stream: the chosen
    video stream of a file with several (`vsr.media.streams.stream_choice`), else None."""

    path: str
    fps: float
    num_frames: int
    duration: float
    width: int
    height: int
    start: float = 0.0
    stream: dict | None = None

    @property
    def end(self) -> float:
        """Second at which the last frame ends."""
        return self.start + self.duration


def probe(path: str | Path) -> VideoInfo:
    """Facts about a video. Raises VsrError "unreadable" or "no_video"."""
    with open_video(path) as (container, stream):
        clock, noted = Clock(container, stream), PacketBuffer(container)
        first, start = first_frame(path, clock.timed(decoded_frames(noted, stream)))
        rate = mean_rate(stream)  # before closing: the stream of a closed container points at freed memory
        width, height = FrameShapes(stream).shape_of(first).size
        extent, choice = extent_of(path, noted, stream, clock, start), stream_choice(container, stream)
    return VideoInfo(str(path), rate, extent.num_frames, extent.end - start, width, height, start, choice)


def read_frames(
    path: str | Path, chunk_frames: int = 64, start: float = 0.0, end: float = 0.0, as_shown: bool = False
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (frames (n, H, W, 3) uint8 RGB, times (n,) float64 seconds), n <= chunk_frames, at exactly 25 fps.

    Each instant of the 25 fps grid shows the source frame with the nearest time stamp, so constant, variable, low and
    high frame rates all keep their speed. Frames have square pixels, are turned upright by the rotation tag, and are
    scaled so that the longer side is at most 1280 pixels. A chunk ends where the video changes its shape or resolution,
    so all frames of a chunk have the same size. At most one chunk (and 64 MiB) is in memory. `start` and `end` (seconds
    after the container's start, end 0: the end of the file) select a part; adjacent parts share no frames.
    `as_shown`: as in `frames_from`.

    Raises VsrError "unreadable" or "no_video"; also "unreadable", after the last good chunk, where a file is truncated.
    """
    frames = frames_of_part(path, start, end, as_shown)
    yield from _chunks(((image, position.time) for image, position in frames), chunk_frames)


def frames_of_part(
    path: str | Path, start: float = 0.0, end: float = 0.0, as_shown: bool = False
) -> Iterator[tuple[np.ndarray, Position]]:
    """`frames_from` the position nearest to ``start`` up to the one before ``end``, in seconds; all for 0 and 0.

    Raises VsrError as `frames_from`, and unreadable if there are no frames.
    """
    if not (start or end):
        yield from frames_from(path, as_shown=as_shown)
        return
    _, first = video_clock(path)
    begin, stop, has_frames = Position(first, index_at(first, start)), index_at(first, end) if end else math.inf, False
    for image, position in frames_from(path, begin, stop, as_shown=as_shown):
        has_frames = True
        yield image, position
    if not has_frames:
        raise VsrError("unreadable", f"{path}: has no frames{named_part(start, end)}")


def frames_from(
    path: str | Path, begin: Position | None = None, stop: float = math.inf, holes: list[Hole] | None = None,
    as_shown: bool = False,
) -> Iterator[tuple[np.ndarray, Position]]:  # fmt: skip
    """Yield (frame (H, W, 3) uint8 RGB, its position) one by one, as in `read_frames`, from position `begin` up to the
    one before index `stop`. Holes of a damaged file are appended to ``holes`` before the frame after each hole.
    ``as_shown``: in the colours that players show (`vsr.media.colours`), for people; not for crops.

    A repeated frame is the same array as before. Frames and times do not depend on `begin`; it is reached through the
    index of the container if it has one, else by decoding and discarding the frames before it.
    """
    with open_video(path) as (container, stream):
        demuxed, clock = Demuxed(path, container, stream), Clock(container, stream)
        demuxed.damage.holes = demuxed.damage.holes if holes is None else holes
        begin_time = begin.time if begin else 0.0
        images = _images(path, demuxed, clock, begin, as_shown=as_shown)
        for image, position in on_grid(images, clock.step, begin, demuxed.damage.ends_at):
            if position.index >= stop:
                check_whole(path, demuxed, begin_time)
                return
            yield image.rgb, position
        check_complete(path, demuxed, clock, begin_time)


def original_frames(path: str | Path) -> Iterator[tuple[np.ndarray, float]]:
    """Yield (frame (H, W, 3) uint8 RGB, seconds) for each frame of the file: at its own frame rate and resolution, with
    square pixels, upright and in the colours that players show. A frame that nothing replaces is yielded again each
    25th of a second, up to the end.

    Raises VsrError as `read_frames`.
    """
    with open_video(path) as (container, stream):
        demuxed, clock = Demuxed(path, container, stream), Clock(container, stream)
        images = ((image.rgb, time) for image, time in _images(path, demuxed, clock, None, math.inf, as_shown=True))
        yield from with_repetitions(images, clock.step)
        check_complete(path, demuxed, clock)


def _chunks(timed: Iterator[tuple[np.ndarray, float]], chunk_frames: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Stack (frame, time) pairs into chunks of one shape, of at most `chunk_frames` frames and CHUNK_BYTES."""
    images: list[np.ndarray] = []
    times: list[float] = []
    for image, time in timed:
        if images and image.shape != images[0].shape:
            yield np.stack(images), np.asarray(times)
            images, times = [], []
        images.append(image)
        times.append(time)
        if len(images) >= min(chunk_frames, max(1, CHUNK_BYTES // image.nbytes)):
            yield np.stack(images), np.asarray(times)
            images, times = [], []
    if images:
        yield np.stack(images), np.asarray(times)


class _Image:
    """A decoded frame, which is turned upright, scaled and converted on first access, as many frames are skipped."""

    def __init__(self, frame, shape: FrameShape, size: tuple[int, int], converter: Converter):
        self._frame, self._shape, self._size, self._converter = frame, shape, size, converter

    @cached_property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8."""
        rgb = self._converter.rgb(self._frame, self._shape, self._size)
        self._frame = None
        return rgb


def _images(
    path, demuxed: Demuxed, clock: Clock, begin: Position | None, max_side: float = MAX_SIDE, as_shown: bool = False
) -> Iterator[tuple[_Image, float]]:
    """(frame, seconds) in order of time; those before the grid of `begin` are left out."""
    shapes, converter = FrameShapes(demuxed.stream, max_side), Converter(as_shown)
    timed = _good(demuxed, clock, shapes.note_shapes(decoded_frames(demuxed, demuxed.stream)))
    first = next(timed, None)
    if first is None:
        return
    timed = _sought(path, demuxed, clock, shapes, begin) or chain([first], timed)
    for (frame, time), shape, size in with_sizes((item, shapes.shape_of(item[0])) for item in timed):
        if begin is None or time > begin.start - 1e-6:
            yield _Image(frame, shape, size, converter), time


def _sought(
    path, demuxed: Demuxed, clock: Clock, shapes: FrameShapes, begin: Position | None
) -> Iterator[tuple] | None:
    """(frame, seconds) from at least a second before `begin` on; None if seeking in the container is not reliable."""
    if begin is None or not seek_before(path, demuxed.container, demuxed.stream, clock.origin, begin.time):
        return None
    demuxed.damage.note_seek()
    frames = dropwhile(lambda frame: not frame.key_frame, shapes.note_shapes(decoded_frames(demuxed, demuxed.stream)))
    first = next(frames, None)
    if landed_before(first, clock.origin, begin.time):
        return _good(demuxed, clock, chain([first], frames))
    rewind(demuxed.container)
    demuxed.damage.note_seek()
    return _good(demuxed, clock, shapes.note_shapes(decoded_frames(demuxed, demuxed.stream)))


def _good(demuxed: Demuxed, clock: Clock, frames: Iterator) -> Iterator[tuple]:
    """(frame, seconds) of the decoded frames that are not damaged."""
    return demuxed.damage.note_holes(clock.timed(demuxed.damage.unspoilt(frames)))
