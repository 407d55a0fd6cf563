"""Sources of live frames: a camera, a network stream, a pipe, or a file played at its own pace."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.inference.live.pace import Pace
from vsr.media.container import short_reason
from vsr.media.frame_shape import Converter, FrameShapes, with_sizes
from vsr.media.reader import frames_from
from vsr.media.streams import report_stream_choice, stream_choice, video_stream

Frames = Generator[tuple[np.ndarray, float], None, None]
STREAMS = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "tcp", "srt")
CAMERAS = Path("/sys/class/video4linux")  # on Linux
SILENT = 10.0  # seconds without a frame after which a stream counts as ended
# Probe a stream for at most a second, so that its first frame is shown at once, and keep the probed packets, as the
# next key frame may be ten seconds away.
QUICK = {"analyzeduration": "1000000", "fpsprobesize": "0"}


def open_source(name: str) -> Frames:
    """Yield (frame (H, W, 3) uint8 RGB, seconds since the first) as frames arrive.

    Args:
        name: number of a camera, address of a stream, "-" for a stream on standard input, or a file.

    Raises:
        VsrError: no_camera, unreadable or no_video.
    """
    if name.isdigit():
        return _camera(int(name))
    if name == "-" or _is_address(name):
        return _stream(name)
    return _paced_file(name)


def check_source(name: str) -> None:
    """Refuse a missing file before models are loaded. Raises VsrError unreadable."""
    if not (name.isdigit() or name == "-" or _is_address(name) or Path(name).exists()):
        raise VsrError("unreadable", f"{name}: no such file")


def source_description(name: str) -> str:
    """A description of a source of `open_source`, for messages."""
    if name.isdigit():
        return f"camera {int(name)}{_camera_name(int(name))}"
    if name == "-":
        return "the stream on standard input"
    return f"the stream {name}" if _is_address(name) else f"the file {name} at its own pace"


def _camera_name(number: int) -> str:
    """The system's name of a camera in brackets, or ""."""
    try:
        return f" ({(CAMERAS / f'video{number}' / 'name').read_text(encoding='utf-8').strip()})"
    except (OSError, ValueError):
        return ""


def _is_address(name: str) -> bool:
    return "://" in name and name.partition("://")[0].lower() in STREAMS


def _camera(number: int) -> Frames:
    import cv2

    cv2.setLogLevel(0)  # errors are reported below, in one line
    camera = cv2.VideoCapture(number)
    if not camera.isOpened():
        raise VsrError("no_camera", f"camera {number} does not open: is it connected, and not used by another program?")
    camera.set(cv2.CAP_PROP_FPS, 25)
    started = time.monotonic()
    try:
        while True:
            is_read, image = camera.read()
            if not is_read:
                raise VsrError("no_camera", f"camera {number} gives no more frames")
            yield np.ascontiguousarray(image[..., ::-1]), time.monotonic() - started
    finally:
        camera.release()


PIPED = "no frame can be read through a pipe, as of an MP4 with its index at its end: give its name, or pipe an .mkv"


def _stream(name: str) -> Frames:
    """The frames of an address or of standard input, with the stream's own times, if it has any."""
    import av

    try:
        container = av.open(sys.stdin.buffer if name == "-" else name, timeout=SILENT, options=QUICK)
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VsrError("unreadable", f"{name}: no stream that can be read ({_short_reason(error)})") from error
    with container:
        stream = video_stream(container)
        if stream is None:
            raise VsrError("no_video", f"{name}: holds no video")
        report_stream_choice("vsr", name, stream_choice(container, stream))
        pace, converter = Pace(stream), Converter()
        for (image, seconds), shape, size in with_sizes(_with_times(stream, _decoded(name, container, stream), pace)):
            yield converter.rgb(image, shape, size), seconds
        if not pace.count:
            raise VsrError("unreadable", f"{name}: no frame arrived")


def _with_times(stream, images: Iterator, pace: Pace) -> Iterator[tuple]:
    """((frame, its second), its shape); frames with a damaged time stamp are skipped."""
    shapes = FrameShapes(stream)
    for image in shapes.note_shapes(images):
        seconds = pace.place(image.time)
        if seconds is not None:
            yield (image, seconds), shapes.shape_of(image)


def _decoded(name: str, container, stream) -> Iterator:
    """The frames of a stream; packets that are damaged, or whose key frame was missed, are skipped."""
    import av

    packets, has_packets = container.demux(stream), False
    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError) as error:
            if name == "-" and not has_packets:
                raise VsrError("unreadable", f"{name}: {PIPED}") from error
            raise VsrError("broken_off", f"{name}: the stream breaks off ({_short_reason(error)})") from error
        if packet is None:
            return
        has_packets = True
        with suppress(av.error.FFmpegError):
            yield from packet.decode()


def _short_reason(error: Exception) -> str:
    """A short reason; FFmpeg reports our timeout as an exit that was requested."""
    import av

    return f"nothing came for {SILENT:g} s" if isinstance(error, av.error.ExitError) else short_reason(error)


def _paced_file(name: str) -> Frames:
    """The frames of a file, played at its own pace."""
    started = None
    for frame, position in frames_from(name):
        started = time.monotonic() - position.time if started is None else started
        time.sleep(max(0.0, started + position.time - time.monotonic()))
        yield frame, position.time
