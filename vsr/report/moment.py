"""Which stretch of a video is looked at: a face at a moment, in any shot of a video of any length."""

from __future__ import annotations

from pathlib import Path

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.progress import Watch
from vsr.face.mouth_crop import MouthClip, clip_of
from vsr.face.mouth_points import MouthMesh
from vsr.face.mouth_source import MouthSource
from vsr.face.networks import Stock
from vsr.face.pipeline import Block
from vsr.face.speaker_selection import OUTSIDE, Part


def find_clip(
    path: str | Path, face: int | None = None, at: float | None = None, watch: Watch | None = None,
    mesh: Stock[MouthMesh] | None = None, broken: list[VsrError] | None = None,
) -> MouthClip:  # fmt: skip
    """The crops of a face through one shot, or a minute of it, as `vsr transcribe` cuts them.

    Args:
        path: the video file, which is gone through up to there and no further.
        face: number of the face in transcripts; None: the one that fills most of the frame then.
        at: second of the video; None: the first stretch in which the face is read.
        watch: is informed how far the video is.
        mesh: finds the points of the mouth, too, where they are asked for.
        broken: is given the error of a file that breaks off or is damaged near there, in place of its being raised.

    Raises:
        VsrError: bad_config where the face or the moment is not there; what `vsr.face.mouth_crop.crop_video` raises.
    """
    source, seen = MouthSource(path, mesh=mesh, on_request=True, watch=watch), set()
    for own in source.to_the_break():
        fitting = [part for part in own.parts if _fits(part, face, at)]
        if fitting:
            source.let_pass(broken)
            part = max(fitting, key=lambda part: part.piece.weight)
            return clip_of(path, source.info, part.piece, part.face, own.begin)
        seen |= {part.face for part in own.parts}
        if at is not None and _is_past(own.block, at):
            break
    source.check(read=False)
    raise VsrError("bad_options", f"{path}: {_missing(face, at, source.info.end, seen)}")


def _fits(part: Part, face: int | None, at: float | None) -> bool:
    """Whether this is a face that is asked for, at that time."""
    wanted = part.reason is None if face is None else part.face == face and part.reason != OUTSIDE
    return wanted and (at is None or part.piece.times[0] <= at < part.piece.times[-1] + 1 / FPS)


def _is_past(block: Block, at: float) -> bool:
    return bool(len(block.times)) and block.times[-1] > at


def _missing(face: int | None, at: float | None, duration: float, faces: set[int]) -> str:
    """What is shown where there is nothing to show."""
    if at is not None and not 0 <= at <= duration:
        return f"second {at:g} is outside the video, which lasts {duration:.2f} s"
    if face is not None and face not in faces:
        upto = "" if at is None else f" up to second {at:g}"
        return f"has no face {face}{upto}; its faces are {', '.join(map(str, sorted(faces)))}"
    who = "no face is read" if face is None else f"face {face} is not seen"
    return who if at is None else f"{who} at second {at:g}"
