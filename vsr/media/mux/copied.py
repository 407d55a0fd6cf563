"""Copies the packets of a video stream unchanged, with time stamps that start at zero with the first frame shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice

from vsr.media.mux.listing import Listing, packets_of, packets_of_file
from vsr.media.timestamps import RESTARTED

REORDERED = ("h264", "hevc")  # raw streams whose display order FFmpeg determines from the frames' headers
FOLLOWING = 64  # packets that must follow for it to determine the times of the last frames


def copy_stream(source, video, target, listing: Listing, start: float) -> Iterator[tuple]:
    """Add a stream to ``target`` and yield (packet for it, its decoding time in seconds).

    Args:
        source, video: the open container and its video stream.
        listing: of its packets.
        start: time stamp of the first frame shown, seconds.
    """
    stream = _stream_like(video, target)
    is_kept = listing.is_kept()
    packets = (packet for packet, keep in zip(packets_of(source, video), is_kept, strict=False) if keep)
    timed = _counted(packets, video, listing) if listing.untimed else _shift_stamps(packets, video.time_base, start)
    for packet in timed:
        packet.stream = stream
        yield packet, float(packet.dts * packet.time_base)


def _stream_like(video, target):
    """Add a stream of the same codec, even if there is no encoder for it here (AV1)."""
    from av.codec.codec import UnknownCodecError

    try:
        return target.add_stream_from_template(video)
    except UnknownCodecError:
        return target.add_stream_from_template(video, opaque=True)


def _shift_stamps(packets: Iterable, base: Fraction, start: float) -> Iterator:
    """Shift the time stamps of packets by ``start``; in concatenated recordings, they continue after the previous
    one."""
    shift, following, last = round(start / base), None, None
    for packet in packets:
        if following is not None and packet.dts - shift < following - RESTARTED / base:
            shift = packet.dts - following
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        if last is not None and packet.dts <= last:  # containers require increasing decoding times
            packet.dts = last + 1
            packet.pts = max(packet.pts, packet.dts)
        last, following = packet.dts, packet.dts + (packet.duration or 0)
        yield packet


def _counted(packets: Iterable, video, listing: Listing) -> Iterator:
    """Give packets without time stamps the times of consecutive frames at the stream's rate."""
    step = max(1, round(listing.step / video.time_base))
    if listing.reordered:
        repeated = islice(packets_of_file(listing.path), FOLLOWING)
        numbered = _numbered(chain(packets, repeated), step)
        yield from islice(_from_zero(_in_display_order(numbered, video)), len(listing.key))
    else:
        yield from _numbered(packets, step)


def _numbered(packets: Iterable, step: int) -> Iterator:
    for number, packet in enumerate(packets):
        packet.pts = packet.dts = number * step
        packet.duration = step
        yield packet


def _in_display_order(packets: Iterable, video) -> Iterator:
    """Set the display times of packets as FFmpeg determines them from the frames' headers. Those of the last packets
    are guessed, so that others must follow."""
    from av.bitstream import BitStreamFilterContext

    order = BitStreamFilterContext("dts2pts", video)
    for packet in packets:
        packet.pts = None
        yield from order.filter(packet)
    yield from order.filter(None)


def _from_zero(packets: Iterable) -> Iterator:
    """Shift packets so that the first, a key frame, is shown at zero."""
    first = None
    for packet in packets:
        first = packet.pts if first is None else first
        packet.pts, packet.dts = packet.pts - first, packet.dts - first
        yield packet


def can_be_copied(listing: Listing) -> bool:
    """Whether the packets' time stamps are known or can be computed."""
    return not (listing.untimed and listing.reordered) or listing.codec in REORDERED
