"""Re-encodes the displayed frames, for containers that cannot hold the original stream as it is displayed."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from vsr.media.container import decoded_frames
from vsr.media.frame_shape import fit_into, same_aspect
from vsr.media.orientation import UPRIGHT, Orientation, orientation_of, oriented
from vsr.media.timestamps import RESTARTED

TICKS = 90_000  # per second
QUALITY = {"libx264": {"crf": "16", "preset": "veryfast"}, "libvpx-vp9": {"crf": "20", "b": "0", "cpu-used": "6"}}


def encode_stream(source, video, target, step: float) -> Iterator[tuple]:
    """Add a stream to ``target`` and yield (packet for it, its decoding time in seconds).

    The frames are upright; their times, shape and colours are those of the source. ``step``: seconds between frames if
    the source has no times.
    """
    stream = None
    for frame, time in _timed(decoded_frames(source, video), step):
        orientation = orientation_of(frame)
        stream = stream or _stream(target, video, frame, orientation.turns)
        upright = _upright(frame, orientation, stream)
        upright.pts = round(time / stream.codec_context.time_base)
        upright.time_base = stream.codec_context.time_base
        for packet in stream.encode(upright):
            yield packet, float(packet.dts * packet.time_base)
    for packet in stream.encode() if stream else ():
        yield packet, float(packet.dts * packet.time_base)


def _timed(frames, step: float) -> Iterator[tuple]:
    """(frame, seconds after the first), increasing; in concatenated recordings, times continue after the previous
    one."""
    first, last = None, -step
    for frame in frames:
        first = frame.time if first is None else first
        time = last + step if frame.time is None else frame.time - first
        if time < last - RESTARTED:
            first, time = first - (last + step - time), last + step
        if time > last:
            last = time
            yield frame, time


def _stream(target, video, frame, turns: int):
    """The output stream, like the source's except for the codec."""
    codec = "libvpx-vp9" if target.format.name == "webm" else "libx264"
    rate = video.average_rate or video.guessed_rate or Fraction(25)
    stream = target.add_stream(codec, rate=rate, options=QUALITY[codec])
    width, height = frame.width // 2 * 2, frame.height // 2 * 2  # even: chroma has half the resolution
    shape = video.sample_aspect_ratio or Fraction(1)
    stream.width, stream.height = (height, width) if turns % 2 else (width, height)
    names = {pixel_format.name for pixel_format in stream.codec_context.codec.video_formats}
    stream.pix_fmt = frame.format.name if frame.format.name in names else "yuv420p"
    context = stream.codec_context
    context.time_base = Fraction(1, TICKS)
    context.sample_aspect_ratio = 1 / shape if turns % 2 and shape else shape
    for name in ("color_range", "color_primaries", "color_trc", "colorspace"):
        setattr(context, name, getattr(frame, name))
    return stream


def _upright(frame, orientation: Orientation, stream):
    """The upright frame in the stream's pixel format."""
    import av

    stored = (stream.height, stream.width) if orientation.turns % 2 else (stream.width, stream.height)
    if not same_aspect((frame.height, frame.width), stored[::-1]):  # the shape changes within the video
        image = oriented(frame.to_ndarray(format="rgb24"), orientation)
        scaled = fit_into(image, (stream.width, stream.height))
        return av.VideoFrame.from_ndarray(scaled, format="rgb24").reformat(format=stream.pix_fmt)
    if orientation == UPRIGHT:
        return frame.reformat(stream.width, stream.height, stream.pix_fmt)
    planes = frame.reformat(format="yuv444p").to_ndarray()  # (3, H, W)
    turned = oriented(planes, orientation, axes=(1, 2))
    return av.VideoFrame.from_ndarray(turned, format="yuv444p").reformat(stream.width, stream.height, stream.pix_fmt)
