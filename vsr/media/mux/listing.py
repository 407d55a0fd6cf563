"""Lists the packets of a video stream, with times and what an edit list trims, without decoding.

Shapes: n packets in decoding order; times in seconds, NaN if the container has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from vsr.media.container import open_video, safe_packets
from vsr.media.timestamps import RESTARTED, mean_rate


@dataclass(frozen=True)
class Listing:
    """path: of the video; pts, dts, lengths (n,) seconds; key, hidden (n,) bool, ``hidden``: decoded by players but not
    shown; step: seconds between frames; reordered: whether decoding and display order differ."""

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
        """Whether the display times of frames are unknown: with reordered frames, times that increase from packet to
        packet are only guessed (H.264 in AVI)."""
        has_missing = np.isnan(self.pts).any() or np.isnan(self.dts).any()
        return bool(has_missing or (self.container == "avi" and self.reordered and (np.diff(self.pts) > 0).all()))

    @property
    def seconds(self) -> float:
        """Duration from the first frame shown to the end of the last; 0 without frames."""
        is_shown = ~self.hidden
        pts, dts, lengths = self.pts[is_shown], self.dts[is_shown], self.lengths[is_shown]
        if np.isnan(pts).any():
            return self.step * len(pts)
        ends, is_restart = pts + np.where(lengths > 0, lengths, self.step), np.diff(np.nan_to_num(dts)) < -RESTARTED
        borders = [0, *np.flatnonzero(is_restart) + 1, len(pts)] if len(pts) else [0]
        return float(sum(ends[a:b].max() - pts[a:b].min() for a, b in pairwise(borders)))

    def is_kept(self) -> np.ndarray:
        """Mask (n,) of the packets that are shown, and of hidden ones that shown frames may depend on."""
        is_kept, needed = ~self.hidden, False
        starts = np.flatnonzero(self.key | (np.arange(len(self.key)) == 0))
        for start, stop in zip(starts[::-1], [*starts[1:], len(self.key)][::-1], strict=True):
            needed = self._mark_group(is_kept, slice(start, stop), needed)
        return is_kept

    def _mark_group(self, is_kept: np.ndarray, group: slice, needed: bool) -> bool:
        """Mark the needed packets of a group, a key frame and its followers; ``needed``: the next group depends on it.

        Leading frames, decoded after their key frame but shown before it, depend on the previous group, and only other
        leading frames depend on them. Returns whether any of them is shown.
        """
        is_shown, is_leading = ~self.hidden[group], self.pts[group] < self.pts[group][0]
        index = np.arange(len(is_shown))
        last, last_leading = len(is_shown) if needed else _last(is_shown), _last(is_shown & is_leading)
        is_kept[group] |= (index <= last) & (~is_leading | (index <= last_leading))
        return last_leading >= 0


def _last(mask: np.ndarray) -> int:
    """Index of the last True; -1 if there is none."""
    return int(np.flatnonzero(mask)[-1]) if mask.any() else -1


def list_packets(path: str | Path) -> Listing:
    """List all packets of a file's video stream. Raises VsrError unreadable, no_video."""
    with open_video(path) as (container, stream):
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
    """The non-empty packets of a stream, up to its end or the point where it is broken."""
    return (packet for packet in safe_packets(container, stream) if packet.size)


def packets_of_file(path: str | Path) -> Iterator:
    """`packets_of` the video stream of a file. Raises VsrError unreadable, no_video."""
    with open_video(path) as (container, stream):
        yield from packets_of(container, stream)


def _seconds(stamp: int | None, base: float) -> float:
    return float("nan") if stamp is None else stamp * base
