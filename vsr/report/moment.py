"""Finds the clip of a face at a given moment of a video of any length."""

from __future__ import annotations

from pathlib import Path

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.progress import Watch
from vsr.face.mouth_crop import MouthClip, clip_of
from vsr.face.mouth_points import MouthMesh
from vsr.face.mouth_source import MouthSource
from vsr.face.networks import Pool
from vsr.face.pipeline import Block
from vsr.face.speaker_selection import OUTSIDE, Part


def find_clip(
    path: str | Path, face: int | None = None, at: float | None = None, watch: Watch | None = None,
    mesh: Pool[MouthMesh] | None = None, errors: list[VsrError] | None = None,
) -> MouthClip:  # fmt: skip
    """The crops of a face in one shot, or a minute of it, as in `vsr transcribe`.

    Args:
        path: the video file, which is read only up to that clip.
        face: number of the face in transcripts; None: the largest face at that time, of those that speak if any do.
        at: second of the video; None: the first clip in which the face is read.
        watch: is informed of the progress in the video.
        mesh: also finds the mouth points where requested.
        errors: receives the error of a file that is truncated or damaged near there, instead of raising it.

    Raises:
        VsrError: bad_options where the face or the moment does not exist; as `vsr.face.mouth_crop.crop_video`.
    """
    source, faces = MouthSource(path, mesh=mesh, on_request=True, watch=watch), set()
    for stretch in source.readable_blocks():
        matches = [part for part in stretch.parts if _fits(part, face, at)]
        if matches:
            source.collect_error(errors)
            part = max(matches, key=lambda part: (bool(part.speech), part.piece.weight))
            return clip_of(path, source.info, part.piece, part.face, stretch.begin)
        faces |= {part.face for part in stretch.parts}
        if at is not None and _is_past(stretch.block, at):
            break
    source.check(has_speech=False)
    raise VsrError("bad_options", f"{path}: {_missing(face, at, source.info.end, faces)}")


def _fits(part: Part, face: int | None, at: float | None) -> bool:
    """Whether this is the requested face at the requested time."""
    is_chosen = part.reason is None if face is None else part.face == face and part.reason != OUTSIDE
    return is_chosen and (at is None or part.piece.times[0] <= at < part.piece.times[-1] + 1 / FPS)


def _is_past(block: Block, at: float) -> bool:
    return bool(len(block.times)) and block.times[-1] > at


def _missing(face: int | None, at: float | None, duration: float, faces: set[int]) -> str:
    """The message if there is no such clip."""
    if at is not None and not 0 <= at <= duration:
        return f"second {at:g} is outside the video, which lasts {duration:.2f} s"
    if face is not None and face not in faces:
        upto = "" if at is None else f" up to second {at:g}"
        return f"has no face {face}{upto}; its faces are {', '.join(map(str, sorted(faces)))}"
    who = "no face is read" if face is None else f"face {face} is not seen"
    return who if at is None else f"{who} at second {at:g}"
