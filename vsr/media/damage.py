"""What is lost in the midst of a file: where bytes are overwritten or missing, and the file goes on behind them.

FFmpeg reads on without a word. It tells of packets that it cannot decode, of frames that it had to make up, and of
packets that came after others had been lost; where the parts of a container cease to follow one another, its heads do
(`vsr.media.chains`). From such a sign on up to the next key frame each frame is made from damaged ones: those frames
are left out, so that no word is read from them. Times are seconds of `vsr.media.timestamps`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from vsr.media.chains import CHAINS, broken_at

Hole = tuple[float, float]  # (start, end) seconds
LEAST = 0.1  # seconds; less is bridged by the frame before
JUMP = 200  # bytes: a container needs fewer between two packets
REORDERED = 64  # packets: of these some may be decoded, but not shown yet
DOUBTED = 32  # packets after one behind which some were lost, of which time stamps tell whether they are the stream's


class Damage:
    """Watches over the frames of one stream of video or sound. holes: those found so far; open:
    whether the latest frames were left out, and none was good again."""

    def __init__(self, path: str | Path, kind: str, step: float):
        self.holes: list[Hole] = []
        self._last, self.open = 0.0, False
        self._path, self._kind, self._step = path, kind, step
        self._recent: deque = deque(maxlen=REORDERED)  # time stamps of the latest packets
        self._before: set | None = None  # those of the packets before the last sign of damage, None while all is well
        self._end: int | None = None  # the byte at which the packet before ends
        self._doubt, self._decoded = 0, None  # packets that are yet doubted; time stamp of decoding of the latest
        self._begun = self._hurt = self._torn = False

    def look(self, packet, own: bool) -> None:
        """The next packet of the file, of the stream itself or of another."""
        if packet.is_corrupt:
            self._doubt = DOUBTED
        if own:
            self._recent.append(packet.pts)
            (self._before or set()).discard(packet.pts)  # of a recording that is put behind another stamps come again
        if own and self._lacks_some_before(packet) or self._kind in CHAINS and self._is_beside_a_break(packet):
            self.sign()

    def jumped(self) -> None:
        """The next packet comes from elsewhere in the file, as was asked for."""
        self._end = self._decoded = None

    def sign(self) -> None:
        """The decoder, or the container, tells of damage here."""
        self._before, self._hurt = (self._before or set()) | set(self._recent), True

    @cached_property
    def _broken(self) -> int | None:
        return broken_at(self._path, self._kind)

    def _lacks_some_before(self, packet) -> bool:
        """Whether packets of the stream itself were lost before one: MPEG-TS counts what it carries, and what is put
        behind something else begins to count again."""
        before, self._decoded = self._decoded, packet.dts
        if not self._doubt or None in (before, packet.dts):
            return False
        self._doubt -= 1
        return float((packet.dts - before) * packet.time_base) > 1.5 * self._step

    def _is_beside_a_break(self, packet) -> bool:
        """Whether the parts of the container cease to follow one another beside a packet; behind the first such place
        whether bytes are left out before it."""
        broken, before, at = self._broken, self._end, packet.pos
        if broken is None or at is None or not packet.size:
            return False
        self._end = at + packet.size
        if before is None:
            return False
        found = before - JUMP < broken < self._end + JUMP or at > broken and at - before > JUMP
        self._torn |= found
        return found

    def unspoilt(self, frames: Iterable) -> Iterator:
        """Of decoded frames those that are as they were filmed."""
        for frame in frames:
            if frame.is_corrupt:
                self.sign()
            if not self._begun:  # what cannot be decoded before the first key frame was never there
                self._begun = _is_key(frame) or not frame.is_corrupt
                self._before, self._hurt, self._torn = None, False, False
            if self._heals(frame):
                self._before = None
            self.open = self._before is not None
            if not self.open:
                yield frame

    def _heals(self, frame) -> bool:
        """Whether a frame needs none before it, and came after the last sign of damage."""
        own = _is_key(frame) and not frame.is_corrupt
        return own and self._before is not None and (frame.pts is None or frame.pts not in self._before)

    def noted(self, timed: Iterable[tuple]) -> Iterator[tuple]:
        """The same (frame, seconds) of `unspoilt`; `holes` has what is missing before each."""
        for frame, time in timed:
            if self._hurt:
                self._note(time)
            self._last = time
            yield frame, time

    def _note(self, time: float) -> None:
        """A hole ends."""
        start = min(self._last + self._step, time)
        if self._torn or time - start > LEAST:
            self.holes.append((start, time))
        self._hurt = self._torn = False

    def ends_at(self, time: float) -> bool:
        """Whether the frame that is shown at a time is the first one behind a hole."""
        return any(end == time for _, end in self.holes)


def _is_key(frame) -> bool:
    """Whether a frame needs none before it, as sound does not."""
    return getattr(frame, "key_frame", True)


def _span(start: float, end: float) -> str:
    return f"from {start:.2f} to {end:.2f} s" if end - start >= 0.01 else f"at {start:.2f} s"


def told(holes: Iterable[Hole], after: float = 0.0) -> str:
    """What is said of a file with holes, of those that end after a time; nothing of one without."""
    times = [_span(*hole) for hole in sorted(set(holes)) if hole[1] > after]
    if not times:
        return ""
    more = f" and {len(times) - 3} more times" if len(times) > 3 else ""
    return f"is damaged {', '.join(times[:3])}{more}"
