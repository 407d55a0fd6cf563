"""A video file of any length -> the windows in which lips speak, and their encoder states, one after the other.

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
from vsr.face.frame_rate import frame_rate, highest_chance
from vsr.face.mouth_points import MouthMesh
from vsr.face.mouth_source import MouthSource
from vsr.face.networks import Stock
from vsr.face.wanted import wanted_faces
from vsr.inference.cropped import cropped_clip
from vsr.inference.seen import Seen, report_of_cropped

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel


@dataclass(frozen=True)
class Spoken:
    """A window of one face's speech. crop (T, 96, 96) uint8; edges (T+1,) seconds: borders of its frames; first: frames
    that the window before has, too; mouth (T, 14, 2) pixels or None."""

    face: int
    crop: np.ndarray
    edges: np.ndarray
    first: int = 0
    mouth: np.ndarray | None = None


@dataclass(frozen=True)
class Encoded:
    """States (T, D) of a window of one face, edges (T+1,) seconds; windows of a face share no frames. most: what the
    chance can be that its lips look like what a reader was trained on (`vsr.face.frame_rate.highest_chance`)."""

    face: int
    states: Tensor
    edges: np.ndarray
    most: float = 1.0


def spoken(
    loaded: LoadedModel, path: str | Path, faces: str | int = "largest", cropped: bool = False,
    mesh: Stock[MouthMesh] | None = None, seen: Seen | None = None,
) -> Iterator[Spoken]:  # fmt: skip
    """The windows of a video in which lips speak, at constant memory, ordered by the blocks they were found in.

    Args:
        loaded: the lip reader, which says how long its windows are.
        path: the video.
        faces: whose lips, as `vsr.inference.transcriber.transcribe` takes it.
        cropped: the video is of a mouth alone and taken as it is.
        mesh: finds the points of the mouth; None: nobody needs them.
        seen: is told, as the windows go by, what is not read and how well the rest was seen.

    Raises:
        VsrError: what `vsr.inference.transcriber.transcribe` raises for a video; covered or at_rest where no lips are
            seen to speak; bad_config for a cropped one that is none.
    """
    seen = Seen() if seen is None else seen
    found = _cropped(loaded, path, seen) if cropped else _streamed(loaded, path, faces, mesh, seen)
    done: dict[int, float] = {}
    for own in found:
        first = int(np.searchsorted(own.edges[:-1], done.get(own.face, -np.inf) - 0.5 / FPS))
        done[own.face] = max(done.get(own.face, -np.inf), float(own.edges[-1]))
        if first < len(own.crop):
            yield Spoken(own.face, own.crop, own.edges, first, own.mouth)
    if not done:
        raise seen.silence(path)


def _cropped(loaded: LoadedModel, path: str | Path, seen: Seen) -> Iterator[Spoken]:
    clip = cropped_clip(path)
    seen.tracks.append(report_of_cropped(clip))
    seen.stream = clip.info.stream
    for start, stop in window_spans(len(clip.crop), preferred_window(loaded)):
        yield Spoken(clip.face, clip.crop[start:stop], frame_edges(clip.times[start:stop]))


def _streamed(loaded: LoadedModel, path: str | Path, faces: str | int, mesh, seen: Seen) -> Iterator[Spoken]:
    source, window = MouthSource(path, wanted_faces(faces), mesh=mesh), preferred_window(loaded)
    some, seen.stream = False, source.info.stream
    for part in (part for own in source for part in own.parts):
        seen.take(part)
        for start, stop in part.spans(window):
            some = True
            yield Spoken(
                part.face, part.piece.crop[start:stop], frame_edges(part.piece.times[start:stop]),
                mouth=part.piece.mouth_of(start, stop),
            )  # fmt: skip
    source.check(some)


@torch.inference_mode()
def encoded(
    loaded: LoadedModel, path: str | Path, faces: str | int = "largest", cropped: bool = False,
    seen: Seen | None = None,
) -> Iterator[Encoded]:  # fmt: skip
    """The encoder states of every window of `spoken`. Raises VsrError as it does."""
    for own in spoken(loaded, path, faces, cropped, seen=seen):
        most = highest_chance(frame_rate(own.crop))
        yield Encoded(own.face, states_of(loaded, own)[own.first :], own.edges[own.first :], most)


@torch.inference_mode()
def states_of(loaded: LoadedModel, own: Spoken) -> Tensor:
    """Encoder states (T, D) of a window, by its pixels alone."""
    device = next(loaded.model.parameters()).device
    video = to_network_input(own.crop)[None].to(device)
    lengths = torch.tensor([len(own.crop)], device=device)
    return encode(loaded, {VIDEO: video}, lengths)[0]
