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
from vsr.core.errors import VsrError
from vsr.core.windows import frame_edges, window_spans
from vsr.data.modalities import VIDEO
from vsr.data.transforms import to_network_input
from vsr.decoding.defaults import preferred_window
from vsr.decoding.encoding import encode
from vsr.face.mouth_points import MouthMesh
from vsr.face.mouth_source import MouthSource
from vsr.face.networks import Stock
from vsr.face.speaker_selection import number_of_faces
from vsr.inference.cropped import cropped_clip
from vsr.output.unread import AT_REST

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
    """States (T, D) of a window of one face, edges (T+1,) seconds; windows of a face share no frames."""

    face: int
    states: Tensor
    edges: np.ndarray


def at_rest(path: str | Path) -> VsrError:
    """What a verb says that needs lips which speak, where they rest from beginning to end."""
    return VsrError("at_rest", f"{path}: {AT_REST}")


def spoken(
    loaded: LoadedModel, path: str | Path, faces: str | int = "largest", cropped: bool = False,
    mesh: Stock[MouthMesh] | None = None,
) -> Iterator[Spoken]:  # fmt: skip
    """The windows of a video in which lips speak, at constant memory, ordered by the blocks they were found in.

    Args:
        loaded: the lip reader, which says how long its windows are.
        path: the video.
        faces: whose lips, as `vsr.inference.transcriber.transcribe` takes it.
        cropped: the video is of a mouth alone and taken as it is.
        mesh: finds the points of the mouth; None: nobody needs them.

    Raises:
        VsrError: what `vsr.inference.transcriber.transcribe` raises for a video; bad_config for a cropped one that is
            none.
    """
    found = _cropped(loaded, path) if cropped else _streamed(loaded, path, faces, mesh)
    done: dict[int, float] = {}
    for own in found:
        first = int(np.searchsorted(own.edges[:-1], done.get(own.face, -np.inf) - 0.5 / FPS))
        done[own.face] = max(done.get(own.face, -np.inf), float(own.edges[-1]))
        if first < len(own.crop):
            yield Spoken(own.face, own.crop, own.edges, first, own.mouth)


def _cropped(loaded: LoadedModel, path: str | Path) -> Iterator[Spoken]:
    clip = cropped_clip(path)
    for start, stop in window_spans(len(clip.crop), preferred_window(loaded)):
        yield Spoken(clip.face, clip.crop[start:stop], frame_edges(clip.times[start:stop]))


def _streamed(loaded: LoadedModel, path: str | Path, faces: str | int, mesh) -> Iterator[Spoken]:
    source, window = MouthSource(path, number_of_faces(faces), mesh=mesh), preferred_window(loaded)
    some = False
    for part in (part for own in source for part in own.parts):
        for start, stop in part.spans(window):
            some = True
            yield Spoken(
                part.face, part.piece.crop[start:stop], frame_edges(part.piece.times[start:stop]),
                mouth=part.piece.mouth_of(start, stop),
            )  # fmt: skip
    source.check(some)


@torch.inference_mode()
def encoded(
    loaded: LoadedModel, path: str | Path, faces: str | int = "largest", cropped: bool = False
) -> Iterator[Encoded]:
    """The encoder states of every window of `spoken`. Raises VsrError as it does."""
    for own in spoken(loaded, path, faces, cropped):
        yield Encoded(own.face, states_of(loaded, own)[own.first :], own.edges[own.first :])


@torch.inference_mode()
def states_of(loaded: LoadedModel, own: Spoken) -> Tensor:
    """Encoder states (T, D) of a window, by its pixels alone."""
    device = next(loaded.model.parameters()).device
    video = to_network_input(own.crop)[None].to(device)
    lengths = torch.tensor([len(own.crop)], device=device)
    return encode(loaded, {VIDEO: video}, lengths)[0]
