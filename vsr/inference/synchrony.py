"""The offset between the sound and the lips of a video, and which of its faces speaks the sound.

Shapes: T frames of a track, W width of an embedding. Times are seconds in the video.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.windows import frame_edges
from vsr.decoding.synchrony import MOST, Offset, Synchrony, agreements, best_offset
from vsr.face.mouth_source import MouthSource
from vsr.face.wanted import wanted_faces
from vsr.inference.listening import has_sound, waves_at
from vsr.inference.seen import Seen

WINDOW, HOP = 2 * FPS, FPS // 2  # frames of a window in which is decided who speaks, and between two of them
LEAST = FPS  # frames of a track: less says nothing


@dataclass(frozen=True)
class Track:
    """A face and the sound of its frames as embeddings (T, W); edges (T + 1,) seconds."""

    face: int
    see: Tensor
    hear: Tensor
    edges: np.ndarray


@dataclass(frozen=True)
class Window:
    """A stretch of a face: the logit that it speaks the sound, and whether it is the face that does."""

    face: int
    start: float
    end: float
    score: float
    speaks: bool = False


def tracks_of(
    model: Synchrony, path: str | Path, faces: str | int = "largest", seen: Seen | None = None
) -> Iterator[Track]:  # fmt: skip
    """Every face of a video, block by block; ``seen`` is told how well it was seen.

    Raises VsrError: no_sound; no_face, too_short, unreadable, no_video.
    """
    if not has_sound(path):
        raise VsrError("no_sound", f"{path} has no sound: there is nothing to compare the lips with")
    source, some = MouthSource(path, wanted_faces(faces)), False
    seen = Seen() if seen is None else seen
    seen.stream = source.info.stream
    for part in (part for own in source for part in own.parts):
        piece = part.piece
        seen.take(part)
        if part.reason or len(piece.crop) < LEAST:
            continue
        (wave,) = waves_at(path, [piece.times])
        some = True
        yield Track(part.face, model.see(piece.crop), model.hear(wave), frame_edges(piece.times))
    source.check(some)


def offset_in(
    model: Synchrony, path: str | Path, faces: str | int = "largest", most: int = MOST, seen: Seen | None = None
) -> Offset:  # fmt: skip
    """By how many frames the sound comes later than the lips; at each shift the mean agreement of the tracks that are
    long enough for it counts.

    Raises VsrError as `tracks_of`.
    """
    total, frames = torch.zeros(2 * most + 1), torch.zeros(2 * most + 1)
    for own in tracks_of(model, path, faces, seen):
        found = agreements(own.see, own.hear, most)
        total += torch.where(found > -1, found * len(own.see), 0.0)
        frames += (found > -1) * len(own.see)
    return best_offset(torch.where(frames > 0, total / frames.clamp(min=1), -1.0))


def windows_of(model: Synchrony, track: Track, offset: int = 0) -> list[Window]:
    """Scores of windows of one face, with its sound ``offset`` frames later than its lips."""
    count, found = len(track.see), []
    for start in range(0, max(1, count - WINDOW + HOP), HOP):
        stop = min(start + WINDOW, count)
        first, last = max(start, -offset), min(stop, count - offset)
        if last - first >= LEAST // 2:
            score = model.score(track.see[first:last], track.hear[first + offset : last + offset])
            found.append(Window(track.face, float(track.edges[start]), float(track.edges[stop]), score))
    return found


def speakers_in(model: Synchrony, path: str | Path, offset: int = 0, seen: Seen | None = None) -> list[Window]:
    """Windows of all faces, in the order of time; at any time the face with the best score above 0 speaks.

    Raises VsrError as `tracks_of`.
    """
    each = [own for track in tracks_of(model, path, "all", seen) for own in windows_of(model, track, offset)]
    return decided(each)


def decided(windows: list[Window]) -> list[Window]:
    """Which windows are of the face that speaks: above 0, and no other face's that covers its middle is higher."""
    found = []
    for own in sorted(windows, key=lambda window: (window.start, window.face)):
        middle = (own.start + own.end) / 2
        rivals = [w.score for w in windows if w.face != own.face and w.start <= middle < w.end]
        speaks = own.score > 0 and own.score >= max(rivals, default=-np.inf)
        found.append(Window(own.face, own.start, own.end, own.score, speaks))
    return found


def summary(windows: list[Window]) -> dict[int, dict[str, float]]:
    """Of each face: its mean score, and the share of its windows in which it speaks."""
    faces: dict[int, list[Window]] = {}
    for own in windows:
        faces.setdefault(own.face, []).append(own)
    return {
        face: {"score": float(np.mean([w.score for w in own])), "speaks": sum(w.speaks for w in own) / len(own)}
        for face, own in sorted(faces.items())
    }
