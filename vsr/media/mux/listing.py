"""The packets of a video stream as its container lists them: times, what an edit list trims; nothing is decoded.

Shapes: n packets in decoding order; times in seconds, NaN where the container gives none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from vsr.media.container import opened, safe_packets
from vsr.media.timestamps import RESTARTED, mean_rate


@dataclass(frozen=True)
class Listing:
    """path: of the video; pts, dts, lengths (n,) seconds; key, hidden (n,) bool, ``hidden`` is what players decode and
    do not show; step: seconds from frame to frame; reordered: whether frames are decoded in another order than
    they are shown."""

    path: Path
    pts: np.ndarray
    dts: np.ndarray
    lengths: np.ndarray
    key: np.ndarray
    hidden: np.ndarray
    step: float
    codec: str
    container: str
    reordered: bool

    @property
    def untimed(self) -> bool:
        """Whether the container does not say when each frame is shown: times that rise from packet to packet are
        guessed where frames are decoded in another order than they are shown (H.264 in AVI)."""
        absent = np.isnan(self.pts).any() or np.isnan(self.dts).any()
        return bool(absent or (self.container == "avi" and self.reordered and (np.diff(self.pts) > 0).all()))

    @property
    def seconds(self) -> float:
        """From the first frame that is shown to the end of the last; 0 where there is none."""
        shown = ~self.hidden
        pts, dts, lengths = self.pts[shown], self.dts[shown], self.lengths[shown]
        if np.isnan(pts).any():
            return self.step * len(pts)
        ends, restarted = pts + np.where(lengths > 0, lengths, self.step), np.diff(np.nan_to_num(dts)) < -RESTARTED
        borders = [0, *np.flatnonzero(restarted) + 1, len(pts)] if len(pts) else [0]
        return float(sum(ends[a:b].max() - pts[a:b].min() for a, b in pairwise(borders)))

    def kept(self) -> np.ndarray:
        """(n,) bool: packets that are shown, and hidden ones that a shown frame may need to be decoded."""
        kept, needed = ~self.hidden, False
        starts = np.flatnonzero(self.key | (np.arange(len(self.key)) == 0))
        for start, stop in zip(starts[::-1], [*starts[1:], len(self.key)][::-1], strict=True):
            needed = self._mark_group(kept, slice(start, stop), needed)
        return kept

    def _mark_group(self, kept: np.ndarray, group: slice, needed: bool) -> bool:
        """Mark a key frame and what follows it; ``needed``: the group after it leans on it.

        Frames that are decoded after their key frame and shown before it lean on the group before, and none but
        their like lean on them. Returns whether such a one is shown.
        """
        shown, leading = ~self.hidden[group], self.pts[group] < self.pts[group][0]
        index = np.arange(len(shown))
        last, last_leading = len(shown) if needed else _last(shown), _last(shown & leading)
        kept[group] |= (index <= last) & (~leading | (index <= last_leading))
        return last_leading >= 0


def _last(mask: np.ndarray) -> int:
    """Place of the last True; -1 where there is none."""
    return int(np.flatnonzero(mask)[-1]) if mask.any() else -1


def listed(path: str | Path) -> Listing:
    """Look at all packets of a file's video stream. Raises VsrError unreadable, no_video."""
    with opened(path) as (container, stream):
        base, context = float(stream.time_base), stream.codec_context
        rows = [
            (_seconds(packet.pts, base), _seconds(packet.dts, base), (packet.duration or 0) * base,
             packet.is_keyframe, packet.is_discard)
            for packet in packets_of(container, stream)
        ]  # fmt: skip
        pts, dts, lengths, key, hidden = np.array(rows, float).reshape(-1, 5).T
        return Listing(
            Path(path), pts, dts, lengths, key > 0, hidden > 0, 1 / mean_rate(stream),
            context.codec.canonical_name, container.format.name, bool(context.has_b_frames),
        )  # fmt: skip


def packets_of(container, stream) -> Iterator:
    """The packets of a stream that hold something; a broken end is the end."""
    return (packet for packet in safe_packets(container, stream) if packet.size)


def packets_of_file(path: str | Path) -> Iterator:
    """`packets_of` the video stream of a file. Raises VsrError unreadable, no_video."""
    with opened(path) as (container, stream):
        yield from packets_of(container, stream)


def _seconds(stamp: int | None, base: float) -> float:
    return float("nan") if stamp is None else stamp * base
