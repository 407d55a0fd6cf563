"""The offset between sound and lips of a video, and active speaker detection among its faces.

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
from vsr.face.face_count import checked_face_count
from vsr.face.mouth_source import MouthSource
from vsr.inference.face_report import FaceReport
from vsr.inference.listening import has_sound, waves_at

WINDOW, HOP = 2 * FPS, FPS // 2  # frames of a decision window, and between two windows
LEAST = FPS  # frames of a track that can be scored


@dataclass(frozen=True)
class Track:
    """Embeddings (T, W) of a face's lips and of the sound of its frames; edges (T + 1,) seconds."""

    face: int
    see: Tensor
    hear: Tensor
    edges: np.ndarray


@dataclass(frozen=True)
class Window:
    """A window of a face: the logit that the face speaks the sound, and whether it is the active speaker."""

    face: int
    start: float
    end: float
    score: float
    speaks: bool = False


def tracks_of(
    model: Synchrony, path: str | Path, faces: str | int = "largest", report: FaceReport | None = None
) -> Iterator[Track]:  # fmt: skip
    """Every face of a video, block by block; ``report`` collects how well it was seen.

    Raises VsrError: no_sound; no_face, too_short, unreadable, no_video.
    """
    if not has_sound(path):
        raise VsrError("no_sound", f"{path} has no sound: there is nothing to compare the lips with")
    source, has_tracks = MouthSource(path, checked_face_count(faces)), False
    report = FaceReport() if report is None else report
    report.stream = source.info.stream
    for part in (part for block in source for part in block.parts):
        piece = part.piece
        report.add(part)
        if part.reason or len(piece.crop) < LEAST:
            continue
        (wave,) = waves_at(path, [piece.times])
        has_tracks = True
        yield Track(part.face, model.see(piece.crop), model.hear(wave), frame_edges(piece.times))
    source.check(has_tracks)


def offset_in(
    model: Synchrony, path: str | Path, faces: str | int = "largest", most: int = MOST, report: FaceReport | None = None
) -> Offset:  # fmt: skip
    """The number of frames by which the sound comes later than the lips, from the mean agreement of all tracks that are
    long enough for a shift.

    Raises VsrError as `tracks_of`.
    """
    total, frames = torch.zeros(2 * most + 1), torch.zeros(2 * most + 1)
    for track in tracks_of(model, path, faces, report):
        agreement = agreements(track.see, track.hear, most)
        total += torch.where(agreement > -1, agreement * len(track.see), 0.0)
        frames += (agreement > -1) * len(track.see)
    return best_offset(torch.where(frames > 0, total / frames.clamp(min=1), -1.0))


def windows_of(model: Synchrony, track: Track, offset: int = 0) -> list[Window]:
    """The scored windows of one face, with the sound ``offset`` frames later than the lips."""
    count, windows = len(track.see), []
    for start in range(0, max(1, count - WINDOW + HOP), HOP):
        stop = min(start + WINDOW, count)
        first, last = max(start, -offset), min(stop, count - offset)
        if last - first >= LEAST // 2:
            score = model.score(track.see[first:last], track.hear[first + offset : last + offset])
            windows.append(Window(track.face, float(track.edges[start]), float(track.edges[stop]), score))
    return windows


def speakers_in(model: Synchrony, path: str | Path, offset: int = 0, report: FaceReport | None = None) -> list[Window]:
    """Windows of all faces, in the order of time; at any time the face with the best score above 0 speaks.

    Raises VsrError as `tracks_of`.
    """
    windows = [window for track in tracks_of(model, path, "all", report) for window in windows_of(model, track, offset)]
    return decided(windows)


def decided(windows: list[Window]) -> list[Window]:
    """Mark windows of the active speaker: score above 0, and no window of another face over the middle is higher."""
    marked = []
    for window in sorted(windows, key=lambda item: (item.start, item.face)):
        middle = (window.start + window.end) / 2
        rivals = [other.score for other in windows if other.face != window.face and other.start <= middle < other.end]
        speaks = window.score > 0 and window.score >= max(rivals, default=-np.inf)
        marked.append(Window(window.face, window.start, window.end, window.score, speaks))
    return marked


def summary(windows: list[Window]) -> dict[int, dict[str, float]]:
    """The mean score of each face, and the share of its windows in which it speaks."""
    faces: dict[int, list[Window]] = {}
    for window in windows:
        faces.setdefault(window.face, []).append(window)
    figures = {}
    for face, of_face in sorted(faces.items()):
        score = float(np.mean([window.score for window in of_face]))
        figures[face] = {"score": score, "speaks": sum(window.speaks for window in of_face) / len(of_face)}
    return figures
