"""Duration and display times of the frames of a file, from the time stamps of its packets, without decoding.

Shapes: times (n,) float64 seconds.
"""

from __future__ import annotations

import heapq
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, takewhile
from pathlib import Path

import numpy as np

from vsr.media.container import decoded_frames, first_frame, open_video, safe_packets
from vsr.media.resample import Position, frames_between, index_at, on_grid
from vsr.media.seeking import landed_before, rewind, seek_before
from vsr.media.timestamps import RESTARTED, Clock, Line, counted_back

SMALL = 16 << 20  # bytes; in a smaller file all packets are examined
JITTER = 0.005  # rounding of time stamps, seconds
REORDERED = 24  # packets within which the display order can differ from the decoding order


@dataclass(frozen=True)
class Extent:
    """start: second of the first frame; end: second at which the last one ends; num_frames: number of frames at 25
    fps."""

    start: float
    end: float
    num_frames: int


class PacketBuffer:
    """A container that remembers the packets read so far, as decoding the first frame takes several."""

    def __init__(self, container):
        self.container, self.packets = container, []

    def demux(self, stream) -> Iterator:
        """The packets of a stream."""
        for packet in self.container.demux(stream):
            self.packets.append(packet)
            yield packet

    def all_packets(self, stream) -> Iterator:
        """The packets read so far, and all later ones."""
        packets, self.packets = self.packets, []
        yield from packets
        yield from safe_packets(self.container, stream)


def extent_of(path: str | Path, buffer: PacketBuffer, stream, clock: Clock, start: float) -> Extent:
    """Extent of an open file after decoding its first frame, at second ``start``.

    For a large file it is taken from the header or the last packets, so that `num_frames` also counts the instants of
    frames that stand for long.
    """
    if os.path.getsize(path) > SMALL:
        end = _announced_end(path, buffer.container, stream, clock)
        if end > start:
            return Extent(start, end, frames_between(start, end, clock.step))
    timed = list(_timed(buffer.all_packets(stream), clock, start))
    frames = sum(1 for _ in on_grid(((True, time) for time, _ in timed), clock.step))
    return Extent(start, _end(timed, clock.step, start), max(1, frames))


def _announced_end(path: str | Path, container, stream, clock: Clock) -> float:
    """Second at which the frames of a large file end; 0 if it cannot be determined without reading the whole file."""
    kind, tick = container.format.name.split(",")[0], stream.time_base
    if kind == "mov" and stream.duration:
        return float((stream.duration + (stream.start_time or 0)) * tick) - clock.origin
    seconds = (container.duration or 0) / 1e6
    if not seek_before(path, container, stream, clock.origin, seconds):
        return 0.0
    timed = list(_timed(safe_packets(container, stream), clock))
    return _end(timed, clock.step) if timed else 0.0


def _end(timed: list[tuple[float, float]], step: float, start: float = 0.0) -> float:
    """Second at which the last frame ends: by its stated duration if that of the previous frame is right, else by the
    previous frame's duration."""
    if len(timed) < 2:
        return timed[0][0] + (timed[0][1] or step) if timed else start + step
    (previous, previous_duration), (last, duration) = timed[-2:]
    return last + (duration if abs(last - previous - previous_duration) < JITTER and duration else last - previous)


def frame_times(path: str | Path, start: float = 0.0, end: float = 0.0) -> np.ndarray:
    """Times (n,) of the frames that `vsr.media.reader.read_frames` yields for a file or a part of it, if all can be
    decoded. Raises VsrError "unreadable" or "no_video"."""
    with open_video(path) as (container, stream):
        clock, buffer = Clock(container, stream), PacketBuffer(container)
        _, first = first_frame(path, clock.timed(decoded_frames(buffer, stream)))
        begin, stop = Position(first, index_at(first, start)), index_at(first, end) if end else math.inf
        images = ((True, time) for time, _ in _timed_from(path, buffer, stream, clock, begin))
        positions = (position for _, position in on_grid(images, clock.step, begin))
        return np.array([position.time for position in takewhile(lambda position: position.index < stop, positions)])


def recorded_length(container, stream) -> float:
    """Duration of a video or sound stream in seconds, by the time stamps of its packets; 0 if it has none."""
    clock = Clock(container, stream)
    timed = list(_timed(safe_packets(container, stream), clock))
    return _end(timed, clock.step) - timed[0][0] if timed else 0.0


def _timed_from(path, buffer: PacketBuffer, stream, clock: Clock, begin: Position) -> Iterator[tuple[float, float]]:
    """(second, duration) of the frames from at least a second before ``begin`` on."""
    container = buffer.container
    if seek_before(path, container, stream, clock.origin, begin.time):
        packets = safe_packets(container, stream)
        first = next(packets, None)
        if landed_before(first, clock.origin, begin.time):
            return _timed(chain([first], packets), clock)
        rewind(container)
        buffer.packets.clear()
    return _timed(buffer.all_packets(stream), clock, begin.start)


def _timed(packets: Iterable, clock: Clock, first: float | None = None) -> Iterator[tuple[float, float]]:
    """(second, duration) of each frame in display order; those before ``first`` cannot be decoded."""
    timeline, begun, earliest = None, first is None, -math.inf if first is None else first - JITTER
    for duration, stamp in counted_back(_in_order(packets), clock.step, 0.0):
        origin = clock.origin if clock.begun else stamp
        timeline = timeline or Line(origin, clock.step)
        begun = begun or stamp is None or stamp - origin > earliest
        seconds = timeline.place(stamp) if begun else None
        if seconds is not None:
            yield seconds, duration


def _in_order(packets: Iterable) -> Iterator[tuple[float, float | None]]:
    """(duration, time stamp) in display order, of packets in decoding order."""
    waiting: list[tuple[float, int, float, float | None]] = []
    last_dts, key, tick = -math.inf, -math.inf, 0.0
    for count, packet in enumerate(packets):
        if not packet.size or packet.is_discard:
            continue
        tick = tick or float(packet.time_base or 0)
        pts, dts = (None if ticks is None else ticks * tick for ticks in (packet.pts, packet.dts))
        stamp = dts if pts is None else pts
        dts = stamp if dts is None else dts
        if dts is not None:
            if dts < last_dts - RESTARTED:  # the start of another, concatenated recording
                yield from (heapq.heappop(waiting)[2:] for _ in range(len(waiting)))
            last_dts = dts
        key = key if stamp is None else stamp
        heapq.heappush(waiting, (key, count, (packet.duration or 0) * tick, stamp))
        if len(waiting) > REORDERED:
            yield heapq.heappop(waiting)[2:]
    yield from (heapq.heappop(waiting)[2:] for _ in range(len(waiting)))
