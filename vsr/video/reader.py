"""First station of the data flow: a video file becomes RGB frames at exactly 25 a second.

Shapes: frames (n, H, W, 3) uint8; times (n,) float64, seconds from the start of the original file.

PyAV is the only decoder. On GRID (360x288) it takes 0.5 ms of processor time a frame, as decord does, next to 5 ms
for finding the face; and it streams time stamps with the frames, tells the rotation tag (decord2 3.4 gives such a
picture lying on its side), scales while it converts, and raises on a damaged packet so that reading can go on.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path

import numpy as np

from vsr.clock import FPS
from vsr.errors import VsrError

MAX_SIDE = 1280  # pixels; a face that fills a lip reader's crop needs no more
MAX_PIXELS = 8192 * 8192  # beyond this a header is damaged, not a video large
MAX_HOLD = 10.0  # seconds one picture may stand; a longer jump of the time stamps is damage or an edit
CHUNK_BYTES = 64 << 20
INDEXED = {"mp4", "matroska"}  # containers whose index leads to the right frame
RUN_UP = 2.0  # seconds decoded before the frame that is wanted
# Formats that are a recording; playlists, text and device "formats" could open other files or the network.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,av1,ivf,obu,flv,live_flv,ogg,asf,"
    "gif,apng,mjpeg,mxf,nut,dv,rm,wtv,yuv4mpegpipe,vob,mp3,wav,flac,aac,w64,aiff,amr,ac3,image2,jpeg_pipe,png_pipe"
)


@dataclass(frozen=True)
class Position:
    """A place on the 25 fps grid: `index` frames after the instant `start` (seconds of the original file).

    The grid begins anew after a jump of the time stamps, so two numbers are needed to find a frame again exactly.
    """

    start: float
    index: int

    @property
    def time(self) -> float:
        """Seconds in the original file."""
        return self.start + self.index / FPS


@dataclass(frozen=True)
class VideoInfo:
    """What the header says. fps: mean frame rate of the file; num_frames: frames at 25 fps; duration: seconds;
    width, height: pixels of the frames that `read_frames` gives (rotated and scaled)."""

    path: str
    fps: float
    num_frames: int
    duration: float
    width: int
    height: int


def probe(path: str | Path) -> VideoInfo:
    """Facts about a video. Raises VsrError "unreadable" or "no_video"."""
    with _opened(path) as (container, stream):
        first = next(decoded_frames(container, stream), None)
        if first is None:
            raise VsrError("unreadable", f"{path}: not one frame can be decoded")
        rate = _rate(stream)  # here: a closed container's stream points at freed memory
        duration = _duration(container, stream) or 1 / rate
        width, height = scaled_size(first.width, first.height)
        if _quarter_turns(first) % 2:
            width, height = height, width
    return VideoInfo(str(path), rate, max(1, round(duration * FPS)), duration, width, height)


def read_frames(
    path: str | Path, chunk_frames: int = 64, start: float = 0.0, end: float = 0.0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (frames (n, H, W, 3) uint8 RGB, times (n,) float64 seconds), n <= chunk_frames, at exactly 25 fps.

    Each instant of the 25 fps grid shows the source frame whose time stamp is nearest, so constant, variable, low
    and high frame rates all keep their speed. Pictures are turned upright by the rotation tag and scaled so that the
    longer side is at most 1280 pixels. At most one chunk (and 64 MiB) is held. `start` and `end` (seconds from the
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
    with _opened(path) as (container, stream):
        place = None
        for picture, place in on_grid(_pictures(container, stream, begin), 1 / _rate(stream), begin):
            yield picture.rgb, place
        decoded = place.time + 1 / FPS if place else begin.time if begin else 0.0
        _check_complete(path, decoded, _duration(container, stream))


def _chunks(timed: Iterator[tuple[np.ndarray, float]], chunk_frames: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Stack (picture, time) pairs to chunks of at most `chunk_frames` frames and CHUNK_BYTES."""
    pictures, times = [], []
    for picture, time in timed:
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


@contextmanager
def open_container(path: str | Path) -> Iterator:
    """Yield the PyAV container of a local recording, video or sound alone; every failure is told as a VsrError."""
    import av

    path = Path(path)
    if not path.is_file():
        what = "is a folder: name the files in it" if path.is_dir() else "no such file"
        raise VsrError("unreadable", f"{path}: {what}")
    if not os.access(path, os.R_OK):
        raise VsrError("unreadable", f"{path}: you may not read this file")
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS}
    try:
        if path.stat().st_size == 0:
            raise VsrError("unreadable", f"{path}: the file is empty")
        container = av.open(f"file:{path.absolute()}", options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VsrError("unreadable", f"{path}: not a recording that can be read ({short_reason(error)})") from error
    with container:
        yield container


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple]:
    """Yield (container, video stream) of a local file."""
    with open_container(path) as container:
        yield container, _video_stream(Path(path), container)


def video_clock(path: str | Path) -> tuple[float, float]:
    """(time stamp that players show as zero, start of the first frame after it), seconds.

    With it sound can be laid beside the frames of `read_frames`. Raises VsrError "unreadable" or "no_video".
    """
    with _opened(path) as (container, stream):
        first = next(decoded_frames(container, stream), None)
        if first is None:
            raise VsrError("unreadable", f"{path}: not one frame can be decoded")
        origin = _origin(container, first)
        return origin, max(0.0, (first.time or 0.0) - origin)


def short_reason(error: Exception) -> str:
    """One short phrase, without the path that FFmpeg appends."""
    return getattr(error, "strerror", None) or str(error).splitlines()[0]


def _video_stream(path: Path, container):
    """The first moving picture; the cover image of a song does not count."""
    import av

    streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    streams = [s for s in streams if s.codec_context is not None]
    if not streams:
        reason = "no_video" if container.streams.audio else "unreadable"
        raise VsrError(reason, f"{path}: holds {'sound but no' if reason == 'no_video' else 'no'} video")
    stream = streams[0]
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS:
        raise VsrError("unreadable", f"{path}: claims frames of {width}x{height} pixels")
    # Threads only where a frame is dear: in small clips starting them costs more than they bring.
    stream.thread_type, stream.codec_context.thread_count = "AUTO", 2 if width * height > 500_000 else 1
    return stream


def _rate(stream) -> float:
    """Mean frames per second; 25 where the header says nothing sensible."""
    rate = float(stream.average_rate or stream.guessed_rate or FPS)
    return rate if 0.1 <= rate <= 1000 else float(FPS)


def _duration(container, stream) -> float:
    """Announced seconds of video; 0 when unknown."""
    if stream.duration and stream.time_base:
        return max(0.0, float(stream.duration * stream.time_base))
    return max(0.0, (container.duration or 0) / 1e6)


def decoded_frames(container, stream) -> Iterator:
    """Decoded frames of a picture or sound stream; broken packets are left out, a broken container ends the stream."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError, OSError):
            return
        try:
            yield from packet.decode()
        except (av.error.FFmpegError, OSError, ValueError):
            continue


class _Picture:
    """A decoded frame, set upright, scaled and converted when it is first looked at: many never are."""

    def __init__(self, frame, size: tuple[int, int, int], reformatter):
        self._frame, self._size, self._reformatter = frame, size, reformatter

    @cached_property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8."""
        width, height, turns = self._size
        rgb = self._reformatter.reformat(self._frame, width, height, "rgb24", interpolation="AREA")
        self._frame = None
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), turns))


def _pictures(container, stream, begin: Position | None) -> Iterator[tuple[_Picture, float]]:
    """(picture, seconds) in rising order of time, all of one size; those before the grid of `begin` are left out."""
    from av.video.reformatter import VideoReformatter

    frames = decoded_frames(container, stream)
    first = next(frames, None)
    if first is None:
        return
    size = (*scaled_size(first.width, first.height), _quarter_turns(first))
    origin, step, last = _origin(container, first), 1 / _rate(stream), -math.inf
    reformatter = VideoReformatter()
    for frame in _seek(container, stream, origin, begin) or chain([first], frames):
        time = last + step if frame.time is None else frame.time - origin
        if time <= last:
            continue
        last = max(time, 0.0) if last == -math.inf else time
        if begin is None or last > begin.start - 1e-6:
            yield _Picture(frame, size, reformatter), last


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


def _origin(container, frame) -> float:
    """Time stamp that players show as zero: the start of the container, or the first frame where that is unknown."""
    first = frame.time or 0.0
    start = container.start_time / 1e6 if container.start_time is not None else first
    return start if 0 <= first - start < MAX_HOLD else first


def on_grid(pictures: Iterator[tuple], step: float, begin: Position | None = None) -> Iterator[tuple]:
    """(nearest picture, place) for each instant first + k/25 up to the end of the last picture.

    `pictures` are (picture, seconds); `step` is the time that a lone picture stands; `begin` where to start.
    """
    held, shown = None, 0.0
    start, count = (begin.start, begin.index) if begin else (0.0, 0)
    for picture, time in pictures:
        if held is None:
            start = begin.start if begin else time
        elif time - shown > MAX_HOLD:
            yield from _repeat(held, start, count, shown + step - 0.5 / FPS)
            start, count = time, 0
        else:
            middle = (shown + time) / 2
            yield from _repeat(held, start, count, middle)
            count = _next_index(start, count, middle)
            step = time - shown
        held, shown = picture, time
    if held is not None:
        yield from _repeat(held, start, count, max(shown + step - 0.5 / FPS, start + 1e-6))


def _next_index(start: float, count: int, end: float) -> int:
    """First grid index at or after `end`, never before `count`."""
    return max(count, math.ceil((end - start) * FPS - 1e-6))


def _repeat(picture, start: float, count: int, end: float) -> Iterator[tuple]:
    for index in range(count, _next_index(start, count, end)):
        yield picture, Position(start, index)


def scaled_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) with the longer side at most MAX_SIDE."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _quarter_turns(frame) -> int:
    """Quarter turns against the clock that set the picture upright."""
    return round((frame.rotation or 0) / 90) % 4
