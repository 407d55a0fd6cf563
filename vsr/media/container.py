"""Opens containers safely: only local recordings; every failure is raised as a VsrError; broken packets are skipped.

PyAV is the only decoder. On GRID (360x288) it takes 0.5 ms of CPU time per frame, like decord, compared to 5 ms for
detecting the face. It also provides time stamps with the frames and the rotation tag (decord2 3.4 returns such frames
sideways), scales during conversion, and raises on a damaged packet, so that reading can continue.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vsr.core.errors import VsrError, cause_of
from vsr.core.files import may_not_read
from vsr.media.formats import FORMATS as FORMATS
from vsr.media.formats import OPENING, kind_of, message_about_name
from vsr.media.streams import video_stream
from vsr.media.timestamps import Clock

MAX_PIXELS = 8192 * 8192  # a larger size means a damaged header
LOST_ITS_WAY = 10_000  # number of times that a container may search for its next packet
MAX_HOLD = 10.0  # longest display of a frame, seconds; a longer jump of time stamps is damage, an edit or a still


@contextmanager
def open_container(path: str | Path) -> Iterator:
    """Yield the PyAV container of a local recording, video or only sound; every failure is raised as a VsrError."""
    import av

    original, path = path, Path(path)
    if may_not_read(path):
        raise VsrError("unreadable", f"{path}: you may not read this file")
    if not path.is_file():
        raise VsrError("unreadable", message_about_name(original) or f"{path}: {_no_file(path)}")
    try:
        if path.stat().st_size == 0:
            raise VsrError("unreadable", f"{path}: the file is empty")
        container = av.open(f"file:{path.absolute()}", options=OPENING, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise VsrError("unreadable", f"{path}: {_not_opened(path, error)}") from error
    with container:
        yield container


def _not_opened(path: Path, error: Exception) -> str:
    """Why FFmpeg does not open a file; unsupported kinds are invalid arguments for it."""
    import av

    fallback = "this kind of file is not read, or it is damaged" if isinstance(error, av.error.ArgumentError) else None
    return kind_of(path) or fallback or f"not a recording that can be read ({short_reason(error)})"


def _no_file(path: Path) -> str:
    """Description of a path that is no file."""
    if path.is_dir():
        return "is a folder: name the files in it"
    return "is a pipe or a device: vsr live reads those, or save it first" if path.exists() else "no such file"


@contextmanager
def open_video(path: str | Path) -> Iterator[tuple]:
    """Yield (container, video stream) of a local file."""
    with open_container(path) as container:
        yield container, _video_stream(Path(path), container)


def video_clock(path: str | Path) -> tuple[float, float]:
    """(time stamp that players show as zero, second of the first frame), both in seconds.

    It aligns sound with the frames of `vsr.media.reader.read_frames`. Raises VsrError "unreadable" or "no_video".
    """
    with open_video(path) as (container, stream):
        clock = Clock(container, stream)
        _, start = first_frame(path, clock.timed(decoded_frames(container, stream)))
        return clock.origin, start


def first_frame(path: str | Path, timed: Iterator[tuple]) -> tuple:
    """The first (frame, seconds). Raises VsrError "unreadable" if there is none."""
    first = next(timed, None)
    if first is None:
        raise VsrError("unreadable", f"{path}: not one frame can be decoded")
    return first


def short_reason(error: Exception) -> str:
    """A short reason, without the path that FFmpeg appends."""
    return cause_of(error, str(error).partition("\n")[0])


def _video_stream(path: Path, container):
    """The video stream that players show, with a suitable number of decoding threads."""
    stream = video_stream(container, lambda: open_container(path))
    if stream is None:
        reason = "no_video" if container.streams.audio else "unreadable"
        raise VsrError(reason, f"{path}: holds {'sound but no' if reason == 'no_video' else 'no'} video")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS:
        raise VsrError("unreadable", f"{path}: claims frames of {width}x{height} pixels")
    # Threads only for large frames: in small clips starting them costs more than they save.
    stream.thread_type, stream.codec_context.thread_count = "AUTO", 2 if width * height > 500_000 else 1
    return stream


def decoded_frames(container, stream) -> Iterator:
    """Decoded frames of a video or sound stream; broken packets are skipped, a broken container ends the stream.

    If the container has a method ``undecodable``, it is called with each broken packet.
    """
    import av

    for packet in safe_packets(container, stream):
        try:
            yield from packet.decode()
        except (av.error.FFmpegError, OSError, ValueError):
            _report_undecodable(container, packet)


def safe_packets(container, stream) -> Iterator:
    """The packets of a stream, up to its end or the point where the container is broken."""
    import av

    for _ in range(LOST_ITS_WAY):
        try:
            yield from container.demux(stream)
            return
        except (BlockingIOError, IndexError):
            # MPEG-TS: no packet in the next 64 kB, but there may be later ones; FLV: a damaged packet has the index of
            # a stream that PyAV does not know.
            _report_undecodable(container, None)
        except (av.error.FFmpegError, OSError):
            return


def _report_undecodable(container, packet) -> None:
    getattr(container, "undecodable", lambda _: None)(packet)
