"""Stream the windows of a video of any length in which lips speak, and their encoder states.

Shapes: T frames of a window, D width. Times are seconds in the original video.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vsr.core.clock import FPS
from vsr.core.windows import frame_edges, window_spans
from vsr.data.modalities import VIDEO
from vsr.data.transforms import to_network_input
from vsr.decoding.defaults import preferred_window
from vsr.decoding.encoding import encode
from vsr.face.face_count import checked_face_count
from vsr.face.frame_rate import domain_limit, frame_rate
from vsr.face.mouth_points import MouthMesh
from vsr.face.mouth_source import MouthSource
from vsr.face.networks import Pool
from vsr.inference.cropped import cropped_clip
from vsr.inference.face_report import FaceReport, cropped_track_report

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel


@dataclass(frozen=True)
class SpeechWindow:
    """A window of one face's speech. crop (T, 96, 96) uint8; edges (T+1,) seconds: borders of its frames; first: number
    of frames shared with the window before; mouth (T, 14, 2) pixels or None."""

    face: int
    crop: np.ndarray
    edges: np.ndarray
    first: int = 0
    mouth: np.ndarray | None = None


@dataclass(frozen=True)
class EncodedWindow:
    """States (T, D) of a window of one face, edges (T+1,) seconds; windows of a face share no frames. most: upper bound
    of the probability that its lips are in domain (`vsr.face.frame_rate.domain_limit`)."""

    face: int
    states: Tensor
    edges: np.ndarray
    most: float = 1.0


def speech_windows(
    loaded: LoadedModel, path: str | Path, faces: str | int = "largest", cropped: bool = False,
    mesh: Pool[MouthMesh] | None = None, report: FaceReport | None = None,
) -> Iterator[SpeechWindow]:  # fmt: skip
    """The windows of a video in which lips speak, in constant memory, in the order of the video's blocks.

    Args:
        loaded: the lip reader, which determines the length of windows.
        path: the video.
        faces: whose lips, as in `vsr.inference.transcriber.transcribe`.
        cropped: the video shows only a mouth and is used as it is.
        mesh: finds the mouth points; None: they are not needed.
        report: collects what is not read and the quality of the rest, as the windows are yielded.

    Raises:
        VsrError: as `vsr.inference.transcriber.transcribe` for a video; covered or at_rest if no lips are seen to
            speak; bad_options for a ``cropped`` video that is not of a mouth.
    """
    report = FaceReport() if report is None else report
    windows = _cropped(loaded, path, report) if cropped else _streamed(loaded, path, faces, mesh, report)
    done: dict[int, float] = {}
    for window in windows:
        first = int(np.searchsorted(window.edges[:-1], done.get(window.face, -np.inf) - 0.5 / FPS))
        done[window.face] = max(done.get(window.face, -np.inf), float(window.edges[-1]))
        if first < len(window.crop):
            yield SpeechWindow(window.face, window.crop, window.edges, first, window.mouth)
    if not done:
        raise report.silence(path)


def _cropped(loaded: LoadedModel, path: str | Path, report: FaceReport) -> Iterator[SpeechWindow]:
    clip = cropped_clip(path)
    report.tracks.append(cropped_track_report(clip))
    report.stream = clip.info.stream
    for start, stop in window_spans(len(clip.crop), preferred_window(loaded)):
        yield SpeechWindow(clip.face, clip.crop[start:stop], frame_edges(clip.times[start:stop]))


def _streamed(
    loaded: LoadedModel, path: str | Path, faces: str | int, mesh, report: FaceReport
) -> Iterator[SpeechWindow]:
    source, window = MouthSource(path, checked_face_count(faces), mesh=mesh), preferred_window(loaded)
    has_windows, report.stream = False, source.info.stream
    for part in (part for block in source for part in block.parts):
        report.add(part)
        for start, stop in part.spans(window):
            has_windows = True
            yield SpeechWindow(
                part.face, part.piece.crop[start:stop], frame_edges(part.piece.times[start:stop]),
                mouth=part.piece.mouth_of(start, stop),
            )  # fmt: skip
    source.check(has_windows)


@torch.inference_mode()
def encoded_windows(
    loaded: LoadedModel, path: str | Path, faces: str | int = "largest", cropped: bool = False,
    report: FaceReport | None = None,
) -> Iterator[EncodedWindow]:  # fmt: skip
    """The encoder states of every window of `speech_windows`. Raises VsrError as `speech_windows`."""
    for window in speech_windows(loaded, path, faces, cropped, report=report):
        most = domain_limit(frame_rate(window.crop))
        yield EncodedWindow(window.face, states_of(loaded, window)[window.first :], window.edges[window.first :], most)


@torch.inference_mode()
def states_of(loaded: LoadedModel, window: SpeechWindow) -> Tensor:
    """Encoder states (T, D) of a window, from its pixels only."""
    device = next(loaded.model.parameters()).device
    video = to_network_input(window.crop)[None].to(device)
    lengths = torch.tensor([len(window.crop)], device=device)
    return encode(loaded, {VIDEO: video}, lengths)[0]
