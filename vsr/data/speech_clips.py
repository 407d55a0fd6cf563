"""The speech of one face in a video of any length as clips with crops: footage becomes something to learn from.

Mouths are those that `vsr transcribe` reads, cut where it would cut them. Shapes: T frames of a clip.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vsr.core.atomic import atomic_write
from vsr.core.errors import VsrError
from vsr.core.windows import frame_edges
from vsr.data.crop_files import write_crop
from vsr.data.manifest import Clip
from vsr.face.mouth_features import FEWEST, measures_of, write_track
from vsr.face.mouth_points import MouthMesh
from vsr.face.mouth_source import MouthSource
from vsr.face.networks import Pool
from vsr.face.speaker_selection import Part, unread


def speech_clips(clip: Clip, out: str | Path, window: int, mesh: Pool[MouthMesh] | None = None) -> list[list[Clip]]:
    """Crop the faces that speak in a video.

    Args:
        clip: the video; what is said of its speaker and language holds for all that is cut from it.
        out: folder of the crops ``ID.FACE.NUMBER.npy`` (T, 96, 96) and, with a mesh, ``ID.FACE.NUMBER.track.npz``.
        window: about how many frames a clip has at most.

    Returns:
        The clips of each face, with their ``start`` and ``end`` in the video; the face that speaks longest is first.

    Raises:
        VsrError: as `vsr.face.mouth_source.MouthSource` and its ``check``; covered or at_rest where no lips speak;
            no_space. Nothing of a file that breaks off is used.
    """
    faces: dict[int, list[Clip]] = defaultdict(list)
    reasons: set[str] = set()
    source = MouthSource(clip.video, mesh=mesh, part=(clip.start, clip.end))
    for block in source:
        for part in block.parts:
            reasons |= {stretch.reason for stretch in unread(part)}
            for start, stop in part.spans(window):
                name = f"{clip.id}.{part.face}.{len(faces[part.face]):04d}"
                faces[part.face].append(_written(clip, part, start, stop, Path(out) / name))
    source.check(bool(faces))
    if not faces:
        reason = "covered" if "covered" in reasons else "at_rest"
        raise VsrError(reason, f"{clip.video}: no lips are seen to speak ({reason.replace('_', ' ')})")
    return sorted(faces.values(), key=frames_of, reverse=True)


def frames_of(clips: Iterable[Clip]) -> int:
    """How many frames clips have together."""
    return sum(clip.num_frames for clip in clips)


def _written(clip: Clip, part: Part, start: int, stop: int, place: Path) -> Clip:
    """The clip of some frames of a part, its crop and track written."""
    piece, edges = part.piece, frame_edges(part.piece.times[start:stop])
    with atomic_write(place.with_name(f"{place.name}.npy")) as crop:
        write_crop(crop, piece.crop[start:stop], "npy")
    mouth, track = piece.mouth_of(start, stop), ""
    if mouth is not None and np.isfinite(points := np.asarray(mouth)).all((1, 2)).mean() >= FEWEST:
        track = str(place.with_name(f"{place.name}.track.npz"))
        write_track(track, *measures_of(points))
    return Clip(
        place.name, clip.video, "", clip.speaker, stop - start, str(place.with_name(f"{place.name}.npy")),
        start=max(0.0, float(edges[0])), end=float(edges[-1]), track=track, language=clip.language,
    )  # fmt: skip
