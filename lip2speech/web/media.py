"""Videos for browsers: their length without decoding, and a copy that every browser plays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write
from vsr.media.colours import BT709, LIMITED, encodable
from vsr.media.container import open_container, open_video, video_clock
from vsr.media.extent import recorded_length
from vsr.media.frame_shape import MAX_SIDE, fit_into
from vsr.media.reader import VideoInfo, probe, read_frames
from vsr.media.streams import sound_stream, stream_choice, video_stream

TICKS = 90_000  # of a second
PLAYED = ("yuv420p", "yuvj420p")  # pixel formats of H.264 that browsers decode


def recorded_seconds(path: str | Path, kind: str = "video") -> float:
    """Length of the "video" or "audio" by the time stamps of its packets, as recordings of browsers announce none;
    nothing is decoded. 0 without such a stream. Raises VsrError unreadable."""
    with open_container(path) as container:
        stream = sound_stream(container) if kind == "audio" else video_stream(container, lambda: open_container(path))
        return 0.0 if stream is None else recorded_length(container, stream)


def playable_copy(video: str | Path, out: str | Path) -> None:
    """Write an H.264 .mp4 whose first frame is at zero: a copy if the file is one already, else encoded again at 25
    frames/s without sound; of a damaged file, its readable part. Raises VsrError unreadable, no_video."""
    if _is_playable(video):
        with atomic_write(out) as temporary:
            shutil.copyfile(video, temporary)
        return
    info = probe(video)
    with atomic_write(out) as temporary:
        _encode(video, info, temporary)


def _is_playable(video: str | Path) -> bool:
    if video_clock(video)[1] > 0:
        return False
    with open_video(video) as (container, stream):
        context = stream.codec_context
        if stream_choice(container, stream):
            return False  # browsers may choose another stream
        return "mp4" in container.format.name and context.name == "h264" and context.pix_fmt in PLAYED


def _encode(video: str | Path, info: VideoInfo, out: Path) -> None:
    """Encode a video whose frames may differ in size on one canvas; starts again if a frame exceeds the canvas."""
    size: tuple[int, int] | None = (info.width, info.height)
    while size:
        size = _encoded(video, size, out)


def _encoded(video: str | Path, size: tuple[int, int], out: Path) -> tuple[int, int] | None:
    """Encode on a canvas of ``size``. If a frame is larger, stop and return the size that the canvas needs."""
    import av

    with av.open(str(out), "w", format="mp4", options={"movflags": "faststart"}) as target:
        stream = target.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "20"})
        stream.width, stream.height = (side // 2 * 2 for side in size)  # yuv420p halves the chroma planes
        if min(stream.width, stream.height) < 2:
            raise VsrError("unreadable", f"{video}: frames of {size[0]}x{size[1]} pixels cannot be shown")
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, TICKS)
        stream.codec_context.colorspace, stream.codec_context.color_range = BT709, LIMITED
        first = None
        for frames, times in _readable_frames(video):
            if larger := _larger_canvas(frames.shape[2:0:-1], size):
                return larger
            first = times[0] if first is None else first
            for image, time in zip(frames, times, strict=True):
                shown = fit_into(image, size)[: stream.height, : stream.width]
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(shown), format="rgb24")
                frame.pts, frame.time_base = round((time - first) * TICKS), Fraction(1, TICKS)
                target.mux(stream.encode(encodable(frame, stream)))
        target.mux(stream.encode())
    return None


def _readable_frames(video: str | Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The readable frames of a video that may be truncated or damaged, which is reported elsewhere. Raises VsrError if
    it has none."""
    has_frames = False
    try:
        for chunk in read_frames(video, as_shown=True):
            has_frames = True
            yield chunk
    except VsrError:
        if not has_frames:
            raise


def _larger_canvas(frame: tuple[int, int], canvas: tuple[int, int]) -> tuple[int, int] | None:
    """The canvas (W, H), at least twice as large, for a frame (W, H) at full resolution; None if it fits already."""
    side = min(MAX_SIDE, max(frame))
    if side <= max(canvas):
        return None
    scale = min(MAX_SIDE, max(side, 2 * max(canvas))) / max(canvas)
    return round(canvas[0] * scale), round(canvas[1] * scale)
