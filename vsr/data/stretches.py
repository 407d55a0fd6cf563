"""The speech of one face in a video of any length as clips with crops: footage becomes something to learn from.

Mouths are those that `vsr transcribe` reads, cut where it would cut them. Shapes: T frames of a clip.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from vsr.core.windows import frame_edges
from vsr.data.manifest import Clip
from vsr.face.mouth_features import FEWEST, measures_of, write_track
from vsr.face.mouth_points import MouthMesh
from vsr.face.mouth_source import MouthSource
from vsr.face.networks import Stock
from vsr.face.speaker_selection import Part


def speech_clips(
    clip: Clip, out: str | Path, window: int, mesh: Stock[MouthMesh] | None = None
) -> tuple[list[Clip], int]:  # fmt: skip
    """Crop the face of a video that speaks longest.

    Args:
        clip: the video; what is said of its speaker and language holds for all that is cut from it.
        out: folder of the crops ``ID.FACE.NUMBER.npy`` (T, 96, 96) and, with a mesh, ``ID.FACE.NUMBER.track.npz``.
        window: about how many frames a clip has at most.

    Returns:
        The clips, their ``start`` and ``end`` in the video, and how many other faces speak in it.

    Raises:
        VsrError: as `vsr.face.mouth_source.MouthSource` and its ``check``; nothing of a file that breaks off is used.
    """
    faces: dict[int, list[Clip]] = defaultdict(list)
    source = MouthSource(clip.video, mesh=mesh, part=(clip.start, clip.end))
    for block in source:
        for part in block.parts:
            for start, stop in part.spans(window):
                name = f"{clip.id}.{part.face}.{len(faces[part.face]):04d}"
                faces[part.face].append(_written(clip, part, start, stop, Path(out) / name))
    source.check(bool(faces))
    longest = max(faces.values(), key=lambda own: sum(each.num_frames for each in own))
    return longest, len(faces) - 1


def _written(clip: Clip, part: Part, start: int, stop: int, place: Path) -> Clip:
    """The clip of some frames of a part, its crop and track written."""
    piece, edges = part.piece, frame_edges(part.piece.times[start:stop])
    np.save(place.with_name(f"{place.name}.npy"), piece.crop[start:stop])
    mouth, track = piece.mouth_of(start, stop), ""
    if mouth is not None and np.isfinite(points := np.asarray(mouth)).all((1, 2)).mean() >= FEWEST:
        track = str(place.with_name(f"{place.name}.track.npz"))
        write_track(track, *measures_of(points))
    return Clip(
        place.name, clip.video, "", clip.speaker, stop - start, str(place.with_name(f"{place.name}.npy")),
        start=max(0.0, float(edges[0])), end=float(edges[-1]), track=track, language=clip.language,
    )  # fmt: skip
