"""Detects holes in a file: places where bytes are overwritten or missing, after which the file continues.

FFmpeg reads on silently. It only flags packets that it cannot decode, frames that it had to conceal, and packets that
follow lost ones; breaks in the chain of a container's parts are found from their headers (`vsr.media.chains`). From
such a sign up to the next key frame all frames are predicted from damaged ones: they are left out, so that no words are
read from them. Times are seconds of `vsr.media.timestamps`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from vsr.media.chains import CHAINS, broken_at

Hole = tuple[float, float]  # (start, end) seconds
LEAST = 0.1  # seconds; shorter holes are bridged by the previous frame
JUMP = 200  # bytes; a container needs fewer between two packets
REORDERED = 64  # packets within which some may be decoded but not shown yet
DOUBTED = 32  # packets after a loss in which gaps of time stamps show whether it was in this stream


class Damage:
    """Tracks damage in one stream of video or sound. holes: those found so far; open: whether the latest frames were
    left out, without a good frame since."""

    def __init__(self, path: str | Path, kind: str, step: float):
        self.holes: list[Hole] = []
        self._last, self.open = 0.0, False
        self._path, self._kind, self._step = path, kind, step
        self._recent: deque = deque(maxlen=REORDERED)  # time stamps of the latest packets
        self._before: set | None = None  # those of packets before the last sign of damage, None without damage
        self._end: int | None = None  # the byte at which the previous packet ends
        self._doubt, self._decoded = 0, None  # packets that are still doubted; decoding time stamp of the latest
        self._has_key_frame = self._is_damaged = self._torn = False

    def look(self, packet, is_of_stream: bool) -> None:
        """Examine the next packet of the file; ``is_of_stream``: whether it belongs to this stream."""
        if packet.is_corrupt:
            self._doubt = DOUBTED
        if is_of_stream:
            self._recent.append(packet.pts)
            (self._before or set()).discard(packet.pts)  # in concatenated recordings stamps occur again
        if is_of_stream and self._lacks_some_before(packet) or self._kind in CHAINS and self._is_beside_a_break(packet):
            self.sign()

    def note_seek(self) -> None:
        """Called after a seek: the next packet comes from elsewhere in the file."""
        self._end = self._decoded = None

    def sign(self) -> None:
        """Called where the decoder or the container reports damage."""
        self._before, self._is_damaged = (self._before or set()) | set(self._recent), True

    @cached_property
    def _broken(self) -> int | None:
        return broken_at(self._path, self._kind)

    def _lacks_some_before(self, packet) -> bool:
        """Whether packets of this stream were lost before this one. A discontinuity alone does not show that: the
        counters of MPEG-TS also restart in concatenated recordings."""
        previous, self._decoded = self._decoded, packet.dts
        if not self._doubt or None in (previous, packet.dts):
            return False
        self._doubt -= 1
        return float((packet.dts - previous) * packet.time_base) > 1.5 * self._step

    def _is_beside_a_break(self, packet) -> bool:
        """Whether the chain of the container's parts breaks at this packet; after the first break, whether bytes were
        skipped before it."""
        broken, previous_end, position = self._broken, self._end, packet.pos
        if broken is None or position is None or not packet.size:
            return False
        self._end = position + packet.size
        if previous_end is None:
            return False
        is_break = (
            previous_end - JUMP < broken < self._end + JUMP or position > broken and position - previous_end > JUMP
        )
        self._torn |= is_break
        return is_break

    def unspoilt(self, frames: Iterable) -> Iterator:
        """Yield the decoded frames that are not affected by damage."""
        for frame in frames:
            if frame.is_corrupt:
                self.sign()
            if not self._has_key_frame:  # undecodable frames before the first key frame are no loss
                self._has_key_frame = _is_key(frame) or not frame.is_corrupt
                self._before, self._is_damaged, self._torn = None, False, False
            if self._heals(frame):
                self._before = None
            self.open = self._before is not None
            if not self.open:
                yield frame

    def _heals(self, frame) -> bool:
        """Whether this is an intact key frame after the last sign of damage."""
        is_intact_key = _is_key(frame) and not frame.is_corrupt
        return is_intact_key and self._before is not None and (frame.pts is None or frame.pts not in self._before)

    def note_holes(self, timed: Iterable[tuple]) -> Iterator[tuple]:
        """Pass on (frame, seconds) of `unspoilt`, after adding the hole before each frame to `holes`."""
        for frame, time in timed:
            if self._is_damaged:
                self._note(time)
            self._last = time
            yield frame, time

    def _note(self, time: float) -> None:
        """Record the hole that ends at ``time``."""
        start = min(self._last + self._step, time)
        if self._torn or time - start > LEAST:
            self.holes.append((start, time))
        self._is_damaged = self._torn = False

    def ends_at(self, time: float) -> bool:
        """Whether the frame at ``time`` is the first one after a hole."""
        return any(end == time for _, end in self.holes)


def _is_key(frame) -> bool:
    """Whether a frame can be decoded without earlier ones; always true for sound."""
    return getattr(frame, "key_frame", True)


def _span(start: float, end: float) -> str:
    return f"from {start:.2f} to {end:.2f} s" if end - start >= 0.01 else f"at {start:.2f} s"


def holes_message(holes: Iterable[Hole], after: float = 0.0) -> str:
    """The message about the holes of a file that end after ``after``; "" without holes."""
    times = [_span(*hole) for hole in sorted(set(holes)) if hole[1] > after]
    if not times:
        return ""
    more = f" and {len(times) - 3} more times" if len(times) > 3 else ""
    return f"is damaged {', '.join(times[:3])}{more}"
