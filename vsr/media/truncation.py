"""Detects truncated files, by comparing the announced length with what could be read and decoded.

Longer sound, time stamps that begin late, a long last frame or a low frame rate do not count as truncation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.media.damage import Damage, holes_message
from vsr.media.structure import is_broken, is_whole, part_of_riff
from vsr.media.timestamps import RESTARTED, Clock, mean_rate

LOST = 0.25  # seconds of frames at the end that a decoder may drop
MISSING, FRAMES = 0.1, 2.5  # seconds, or frames, that may be missing from a file whose structure is known to be broken
# Formats whose header states the length of each stream ...
BY_STREAM = {"mov", "mxf", "ivf", "rm", "aiff", "au", "flac", "tta", "wv"}
BY_CONTAINER = {"matroska", "flv", "live_flv"}  # ... or of the longest; in all others it is an estimate from the data


class Demuxed:
    """A container that examines its packets as they are read. reached: latest end of any packet; own: of the stream's
    packets, both as time stamps; newest: latest time stamp of the stream; count: number of the stream's packets;
    damage: the losses among them."""

    def __init__(self, path: str | Path, container, stream):
        self.container, self.stream = container, stream
        self.damage = Damage(path, _kind(self), 1 / mean_rate(stream))
        self.reached = self.own = self.newest = self._decoded = -math.inf
        self.count = 0
        self._ticks: dict[int, float] = {}  # stream -> seconds per tick: fractions are slow

    def demux(self, stream) -> Iterator:
        """Yield the packets of one stream, while examining those of all streams."""
        stream_index = stream.index
        for packet in self.container.demux():
            index = packet.stream.index  # `stream_index` is 0 for the empty packets that flush the decoders at the end
            self._examine_packet(packet, index)
            self.damage.look(packet, index == stream_index)
            if index == stream_index:
                yield packet

    def undecodable(self, _packet) -> None:
        """Called where a packet could not be decoded, or the container could not find the next one."""
        self.damage.sign()

    def _examine_packet(self, packet, index: int) -> None:
        is_stream, pts, dts = index == self.stream.index, packet.pts, packet.dts
        self.count += is_stream and packet.size > 0 and not packet.is_discard
        stamp = dts if pts is None else pts
        if stamp is None or not packet.time_base:
            return
        tick = self._ticks.get(index) or self._ticks.setdefault(index, float(packet.time_base))
        time, end = stamp * tick, (stamp + (packet.duration or 0)) * tick
        self.reached = max(self.reached, end)
        if is_stream and not packet.is_discard:  # what an edit list trims is not lost
            order = time if dts is None else dts * tick
            restarted, self._decoded = order < self._decoded - RESTARTED, order
            self.own, self.newest = max(self.own, end), time if restarted else max(self.newest, time)


def check_complete(path: str | Path, demuxed: Demuxed, clock: Clock, after: float = 0.0, what: str = "") -> None:
    """Refuse a truncated or damaged file after its last frame, as its transcript would be incomplete.

    Holes that end before ``after`` (seconds) are ignored; ``what``: subject of the message, by default the whole file.
    Raises VsrError unreadable.
    """
    if clock.last is None:
        raise VsrError("unreadable", f"{path}: not one frame can be decoded")
    problems = [_breaking_off(path, demuxed, clock.last, clock), holes_message(demuxed.damage.holes, after)]
    if any(problems):
        raise VsrError("unreadable", f"{path}: {what}{' and '.join(filter(None, problems))}")


def check_whole(path: str | Path, demuxed: Demuxed, after: float) -> None:
    """Refuse a damaged part of a file, which ends before the file does. Raises VsrError unreadable."""
    if problem := holes_message(demuxed.damage.holes, after):
        raise VsrError("unreadable", f"{path}: {problem}")


def _breaking_off(path: str | Path, demuxed: Demuxed, last: float, clock: Clock) -> str:
    """The message for a file that ends too early, after the frame at ``last`` s; "" for others."""
    decoded, lost = last + clock.step, _undecoded(demuxed, clock)
    full_length = _cut_from(path, demuxed, clock.step)
    announced = max(decoded + lost, full_length)
    is_certain = (
        demuxed.damage.open
        or lost > LOST
        and clock.stamp is not None
        or bool(full_length)
        and is_broken(path, _kind(demuxed))
    )
    short = _is_short(decoded, announced, clock.step if is_certain else None)
    return f"breaks off after {decoded:.2f} of {announced:.2f} s" if short else ""


def _undecoded(demuxed: Demuxed, clock: Clock) -> float:
    """Seconds of frames at the end whose packets were read but could not be decoded."""
    counted = (demuxed.count - clock.count) * clock.step
    stamped = counted if clock.stamp is None else demuxed.newest - clock.stamp
    return max(0.0, stamped if demuxed.damage.open else min(counted, stamped))


def _cut_from(path: str | Path, demuxed: Demuxed, step: float) -> float:
    """Length of the complete file, seconds after the container's start, if this is only its beginning; else 0."""
    container, stream = demuxed.container, demuxed.stream
    start, kind = (container.start_time or 0) / 1e6, _kind(demuxed)
    broken_step = step if is_broken(path, kind) else None
    if kind in BY_STREAM and stream.duration:
        announced = float((stream.duration + (stream.start_time or 0)) * stream.time_base) - start
        return announced if _is_short(demuxed.own - start, announced, broken_step) else 0.0
    if kind == "avi" and stream.type == "video" and stream.average_rate:
        announced = float(max(stream.frames / stream.average_rate, (stream.duration or 0) * stream.time_base))
        furthest = demuxed.own
    elif kind in ("wav", "avi"):
        return (demuxed.own - start) * part_of_riff(path) if broken_step else 0.0
    elif kind in BY_CONTAINER:
        # In some files the length counts from zero to the last time stamp, in others from the first one.
        length = (container.duration or 0) / 1e6
        announced, furthest = length - max(0.0, start) if length > start else length, demuxed.reached
    else:
        return 0.0
    short = _is_short(furthest - start, announced, broken_step)
    return announced if short and not is_whole(path, kind) else 0.0


def _kind(demuxed: Demuxed) -> str:
    return demuxed.container.format.name.split(",")[0]


def _is_short(reached: float, announced: float, step: float | None) -> bool:
    """Whether ``reached`` seconds are too few of those ``announced``. Announced lengths are not exact, so the margin is
    large unless the file is known to be broken: then ``step`` is the seconds between its frames, else None."""
    return reached < (0.8 * announced - 1.0 if step is None else announced - max(MISSING, FRAMES * step))
