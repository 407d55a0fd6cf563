"""First station of the data flow: a video file becomes RGB frames at exactly 25 a second.

Shapes: frames (n, H, W, 3) uint8; times (n,) float64, seconds from the start of the original file.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

import numpy as np

from vsr.clock import FPS
from vsr.errors import VsrError
from vsr.video.container import announced_seconds, decoded_frames, mean_rate, opened, origin_of
from vsr.video.grid import Position, on_grid
from vsr.video.joined import BEGUN_ANEW
from vsr.video.picture_shape import MAX_SIDE as MAX_SIDE
from vsr.video.picture_shape import Converter, PictureShape, PictureShapes, with_sizes
from vsr.video.picture_shape import scaled_size as scaled_size
from vsr.video.streams import chosen_among

CHUNK_BYTES = 64 << 20
INDEXED = {"mp4", "matroska"}  # containers whose index leads to the right frame
RUN_UP = 2.0  # seconds decoded before the frame that is wanted


@dataclass(frozen=True)
class VideoInfo:
    """What the header says. fps: mean frame rate of the file; num_frames: frames at 25 fps; duration: seconds;
    width, height: pixels of the first frame that `read_frames` gives (square, upright and scaled); stream: which video
    is read where the file holds several (`vsr.video.streams.chosen_among`), else None."""

    path: str
    fps: float
    num_frames: int
    duration: float
    width: int
    height: int
    stream: dict | None = None


def probe(path: str | Path) -> VideoInfo:
    """Facts about a video. Raises VsrError "unreadable" or "no_video"."""
    with opened(path) as (container, stream):
        first = next(decoded_frames(container, stream), None)
        if first is None:
            raise VsrError("unreadable", f"{path}: not one frame can be decoded")
        rate = mean_rate(stream)  # here: a closed container's stream points at freed memory
        duration = announced_seconds(container, stream) or 1 / rate
        width, height = PictureShapes(stream, first).of(first).size
        chosen = chosen_among(container, stream)
    return VideoInfo(str(path), rate, max(1, round(duration * FPS)), duration, width, height, chosen)


def read_frames(
    path: str | Path, chunk_frames: int = 64, start: float = 0.0, end: float = 0.0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (frames (n, H, W, 3) uint8 RGB, times (n,) float64 seconds), n <= chunk_frames, at exactly 25 fps.

    Each instant of the 25 fps grid shows the source frame whose time stamp is nearest, so constant, variable, low
    and high frame rates all keep their speed. Pictures have square pixels, are turned upright by the rotation tag and
    scaled so that the longer side is at most 1280 pixels. Where the video changes its shape or resolution a chunk ends:
    the frames of one chunk have one size. At most one chunk (and 64 MiB) is held. `start` and `end` (seconds from the
    first frame, end 0: the end of the file) ask for the frames of a part; parts that touch share none. Raises VsrError
    "unreadable" or "no_video"; also "unreadable", after the last good chunk, where the file breaks off before its
    announced end.
    """
    yield from _chunks(((picture, place.time) for picture, place in frames_of_part(path, start, end)), chunk_frames)


def frames_of_part(path: str | Path, start: float = 0.0, end: float = 0.0) -> Iterator[tuple[np.ndarray, Position]]:
    """`frames_from` the beginning, of a part as `read_frames` has it: counted, not sought, as a seek may land beside
    the frame that is meant."""
    part, some = islice(frames_from(path), round(start * FPS), round(end * FPS) if end else None), False
    for some in part:
        yield some
    if start and not some:
        raise VsrError("unreadable", f"{path}: has no frames from {start:.2f} s on")


def frames_from(path: str | Path, begin: Position | None = None) -> Iterator[tuple[np.ndarray, Position]]:
    """Yield (frame (H, W, 3) uint8 RGB, its place) one by one, as `read_frames` does, from the place `begin` on.

    A repeated frame is the same array as before. From the same place come the same frames and times as without
    `begin`; where the container has an index they are found by it, else by decoding without looking.
    """
    with opened(path) as (container, stream):
        place = None
        for picture, place in on_grid(_pictures(container, stream, begin), 1 / mean_rate(stream), begin):
            yield picture.rgb, place
        decoded = place.time + 1 / FPS if place else begin.time if begin else 0.0
        _check_complete(path, decoded, announced_seconds(container, stream))


def _chunks(timed: Iterator[tuple[np.ndarray, float]], chunk_frames: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Stack (picture, time) pairs to chunks of one shape, of at most `chunk_frames` frames and CHUNK_BYTES."""
    pictures, times = [], []
    for picture, time in timed:
        if pictures and picture.shape != pictures[0].shape:
            yield np.stack(pictures), np.asarray(times)
            pictures, times = [], []
        pictures.append(picture)
        times.append(time)
        if len(pictures) >= min(chunk_frames, max(1, CHUNK_BYTES // picture.nbytes)):
            yield np.stack(pictures), np.asarray(times)
            pictures, times = [], []
    if pictures:
        yield np.stack(pictures), np.asarray(times)


def _check_complete(path: str | Path, decoded: float, announced: float) -> None:
    """A clip that breaks off would get a text that breaks off: refuse it aloud."""
    if decoded == 0:
        raise VsrError("unreadable", f"{path}: not one frame can be decoded")
    if decoded < 0.8 * announced - 1.0:
        raise VsrError("unreadable", f"{path}: breaks off after {decoded:.2f} of {announced:.2f} s")


class _Picture:
    """A decoded frame, set upright, scaled and converted when it is first looked at: many never are."""

    def __init__(self, frame, shape: PictureShape, size: tuple[int, int], converter: Converter):
        self._frame, self._shape, self._size, self._converter = frame, shape, size, converter

    @cached_property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8."""
        rgb = self._converter.rgb(self._frame, self._shape, self._size)
        self._frame = None
        return rgb


def _pictures(container, stream, begin: Position | None) -> Iterator[tuple[_Picture, float]]:
    """(picture, seconds) in rising order of time; those before the grid of `begin` are left out.

    Where the time stamps begin anew, as in MPEG files put together one behind the other, the clock goes on.
    """
    frames = decoded_frames(container, stream)
    first = next(frames, None)
    if first is None:
        return
    origin, step, last = origin_of(container, first), 1 / mean_rate(stream), -math.inf
    shapes, converter, behind = PictureShapes(stream, first), Converter(), math.inf
    decoded = _seek(container, stream, origin, begin) or chain([first], frames)
    for frame, shape, size in with_sizes((frame, shapes.of(frame)) for frame in decoded):
        time = last + step if frame.time is None else frame.time - origin
        if time <= last:
            if not behind < time < last - BEGUN_ANEW:
                behind = time
                continue
            # Files that were put together one behind the other: the second frame of the next one.
            origin, time = origin - (last + 2 * step - time), last + 2 * step
        behind = math.inf
        last = max(time, 0.0) if last == -math.inf else time
        if begin is None or last > begin.start - 1e-6:
            yield _Picture(frame, shape, size, converter), last


def _seek(container, stream, origin: float, begin: Position | None) -> Iterator | None:
    """Decoded frames from at least a second before `begin` on; None where the container cannot be trusted to jump."""
    import av

    trusted = set(container.format.name.split(",")) & INDEXED
    if begin is None or not trusted or begin.time < 2 * RUN_UP:
        return None
    frames = decoded_frames(container, stream)
    try:
        container.seek(int((origin + begin.time - RUN_UP) / stream.time_base), stream=stream)
        first = next(frames, None)
        if first is not None and first.time is not None and first.time - origin < begin.time - RUN_UP / 2:
            return chain([first], frames)
        container.seek(0)
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    return decoded_frames(container, stream)
