"""Whether a file breaks off: what it announces against what there was to be read, and could be.

A longer sound, a clock that begins late, a last frame that stands or frames that are rare do not break a file off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.media.damage import Damage, told
from vsr.media.structure import is_broken, is_whole, part_of_riff
from vsr.media.timestamps import RESTARTED, Clock, mean_rate

LOST = 0.25  # seconds of frames at the end that a decoder may leave out
MISSING, FRAMES = 0.1, 2.5  # seconds, or frames, that may be missing of a file whose structure shows that it is broken
# Formats whose header says how long each stream is ...
BY_STREAM = {"mov", "mxf", "ivf", "rm", "aiff", "au", "flac", "tta", "wv"}
BY_CONTAINER = {"matroska", "flv", "live_flv"}  # ... or the longest of them; all others guess by what is there


class Demuxed:
    """A container whose packets are looked at as they go by. reached: the furthest end of any packet, own: of the
    frames', both as time stamps; newest: the latest time stamp of a frame; count: packets of frames; damage: what is
    lost among them."""

    def __init__(self, path: str | Path, container, stream):
        self.container, self.stream = container, stream
        self.damage = Damage(path, _kind(self), 1 / mean_rate(stream))
        self.reached = self.own = self.newest = self._decoded = -math.inf
        self.count = 0
        self._ticks: dict[int, float] = {}  # stream -> seconds: fractions are slow

    def demux(self, stream) -> Iterator:
        """The packets of one stream, while those of all are looked at."""
        wanted = stream.index
        for packet in self.container.demux():
            index = packet.stream_index
            self._look(packet, index)
            self.damage.look(packet, index == wanted)
            if index == wanted:
                yield packet

    def undecodable(self, _packet) -> None:
        """A packet of the stream could not be decoded, or the container lost its way before the next."""
        self.damage.sign()

    def _look(self, packet, index: int) -> None:
        own, shown, decoded = index == self.stream.index, packet.pts, packet.dts
        self.count += own and packet.size > 0 and not packet.is_discard
        stamp = decoded if shown is None else shown
        if stamp is None or not packet.time_base:
            return
        tick = self._ticks.get(index) or self._ticks.setdefault(index, float(packet.time_base))
        at, end = stamp * tick, (stamp + (packet.duration or 0)) * tick
        self.reached = max(self.reached, end)
        if own and not packet.is_discard:  # what an edit list trims away is no loss
            order = at if decoded is None else decoded * tick
            restarted, self._decoded = order < self._decoded - RESTARTED, order
            self.own, self.newest = max(self.own, end), at if restarted else max(self.newest, at)


def check_complete(path: str | Path, seen: Demuxed, clock: Clock, after: float = 0.0, what: str = "") -> None:
    """A clip that breaks off would get a text that breaks off, one with holes a text with holes: behind the last frame,
    refuse it aloud. Holes that end before ``after`` (seconds) do not count; ``what`` the message is about, if not all.

    Raises VsrError unreadable.
    """
    if clock.last is None:
        raise VsrError("unreadable", f"{path}: not one frame can be decoded")
    problems = [_breaking_off(path, seen, clock.last, clock), told(seen.damage.holes, after)]
    if any(problems):
        raise VsrError("unreadable", f"{path}: {what}{' and '.join(filter(None, problems))}")


def check_whole(path: str | Path, seen: Demuxed, after: float) -> None:
    """The same of a part of a file, which ends before that does. Raises VsrError unreadable."""
    if problem := told(seen.damage.holes, after):
        raise VsrError("unreadable", f"{path}: {problem}")


def _breaking_off(path: str | Path, seen: Demuxed, last: float, clock: Clock) -> str:
    """What is said of a file that ends too early, after the frame at ``last`` s; nothing of one that does not."""
    decoded, lost = last + clock.step, _undecoded(seen, clock)
    cut = _cut_from(path, seen, clock.step)
    announced = max(decoded + lost, cut)
    known = seen.damage.open or lost > LOST and clock.stamp is not None or bool(cut) and is_broken(path, _kind(seen))
    short = _is_short(decoded, announced, clock.step if known else None)
    return f"breaks off after {decoded:.2f} of {announced:.2f} s" if short else ""


def _undecoded(seen: Demuxed, clock: Clock) -> float:
    """Seconds of frames, at the end, of which there were packets but nothing could be decoded."""
    counted = (seen.count - clock.count) * clock.step
    stamped = counted if clock.stamp is None else seen.newest - clock.stamp
    return max(0.0, stamped if seen.damage.open else min(counted, stamped))


def _cut_from(path: str | Path, seen: Demuxed, step: float) -> float:
    """Seconds after the container's start that the whole file had, where this is only the beginning of it; else 0."""
    container, stream = seen.container, seen.stream
    start, kind = (container.start_time or 0) / 1e6, _kind(seen)
    broken = step if is_broken(path, kind) else None
    if kind in BY_STREAM and stream.duration:
        announced = float((stream.duration + (stream.start_time or 0)) * stream.time_base) - start
        return announced if _is_short(seen.own - start, announced, broken) else 0.0
    if kind == "avi" and stream.type == "video" and stream.average_rate:
        announced = float(max(stream.frames / stream.average_rate, (stream.duration or 0) * stream.time_base))
        furthest = seen.own
    elif kind in ("wav", "avi"):
        return (seen.own - start) * part_of_riff(path) if broken else 0.0
    elif kind in BY_CONTAINER:
        # Some count to the last time stamp, others from the first one.
        length = (container.duration or 0) / 1e6
        announced, furthest = length - max(0.0, start) if length > start else length, seen.reached
    else:
        return 0.0
    short = _is_short(furthest - start, announced, broken)
    return announced if short and not is_whole(path, kind) else 0.0


def _kind(seen: Demuxed) -> str:
    return seen.container.format.name.split(",")[0]


def _is_short(reached: float, announced: float, broken: float | None) -> bool:
    """Whether so many seconds of those that are announced are too few; what is announced need not be true, unless the
    file is known to be broken: then ``broken`` is the seconds between its frames."""
    return reached < (0.8 * announced - 1.0 if broken is None else announced - max(MISSING, FRAMES * broken))
