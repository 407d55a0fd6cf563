"""What browsers need of a video: how long it is before it is decoded, and a copy that every one of them plays."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

from vsr.clock import FPS
from vsr.errors import VsrError
from vsr.files import atomic_write
from vsr.video.container import open_container, opened, video_clock
from vsr.video.reader import VideoInfo, probe, read_frames
from vsr.video.streams import chosen_among, picture_stream, sound_stream

TICKS = 90_000  # of a second
PLAYED = ("yuv420p", "yuvj420p")  # pixel formats of H.264 that browsers decode


def recorded_seconds(path: str | Path, kind: str = "video") -> float:
    """Length of the "video" or "audio" by the time stamps of its packets: a browser's recording announces none, and
    nothing is decoded. 0 where there is none. Raises VsrError unreadable."""
    with open_container(path) as container:
        stream = sound_stream(container) if kind == "audio" else picture_stream(container, lambda: open_container(path))
        return 0.0 if stream is None else _seconds(container, stream)


def _seconds(container, stream) -> float:
    import av

    first, last, count = None, 0.0, 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError, OSError):  # the reader, too, takes a broken end for the end
            break
        count += packet.size > 0
        if packet.pts is not None:
            at = float(packet.pts * packet.time_base)
            first = at if first is None else min(first, at)
            last = max(last, at + float((packet.duration or 0) * packet.time_base))
    rate = float(getattr(stream, "average_rate", None) or FPS)
    return count / rate if first is None else last - first


def playable_copy(video: str | Path, out: str | Path) -> None:
    """Write an H.264 .mp4 whose first frame is at zero: the file itself where it is one already, else encoded anew
    at 25 frames/s, without sound. Raises VsrError unreadable, no_video."""
    if _plays(video):
        with atomic_write(out) as temporary:
            shutil.copyfile(video, temporary)
        return
    info = probe(video)
    with atomic_write(out) as temporary:
        _encode(video, info, temporary)


def _plays(video: str | Path) -> bool:
    if video_clock(video)[1] > 0:
        return False
    with opened(video) as (container, stream):
        context = stream.codec_context
        if chosen_among(container, stream):
            return False  # browsers need not choose the same
        return "mp4" in container.format.name and context.name == "h264" and context.pix_fmt in PLAYED


def _encode(video: str | Path, info: VideoInfo, out: Path) -> None:
    import av

    with av.open(str(out), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height = info.width // 2 * 2, info.height // 2 * 2  # the format halves the colours
        if min(stream.width, stream.height) < 2:
            raise VsrError("unreadable", f"{video}: frames of {info.width}x{info.height} pixels cannot be shown")
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, TICKS)
        first = None
        for frames, times in read_frames(video):
            first = times[0] if first is None else first
            for picture, time in zip(frames, times, strict=True):
                frame = av.VideoFrame.from_ndarray(picture[: stream.height, : stream.width], format="rgb24")
                frame.pts, frame.time_base = round((time - first) * TICKS), Fraction(1, TICKS)
                target.mux(stream.encode(frame))
        target.mux(stream.encode())
