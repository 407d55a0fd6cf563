"""Mouth-only videos, as crop tools write them: no face detection, no alignment.

Shapes: crop (T, 96, 96) uint8 gray.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from vsr.core.errors import VsrError
from vsr.decoding.options import DecodeOptions
from vsr.decoding.provenance import provenance
from vsr.face.mouth_crop import MouthClip
from vsr.face.piece import MIN_FRAMES
from vsr.inference.listening import hearing_of, incomplete
from vsr.inference.recognition import read_clip
from vsr.inference.seen import report_of_cropped
from vsr.media.reader import frames_from, probe
from vsr.output.transcript import Transcript

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

SIDE = 96
SMALLEST = 64  # pixels; a smaller frame shows no lips


def cropped_clip(path: str | Path) -> MouthClip:
    """The mouth crops of such a video at 25 fps, gray, brought to 96 x 96.

    Raises:
        VsrError: bad_options for frames that are not square or too small; too_short, unreadable, no_video.
    """
    clip, broken = _to_the_break(path)
    if broken:
        raise broken
    return clip


def _to_the_break(path: str | Path) -> tuple[MouthClip, VsrError | None]:
    """The crops of such a video; where it breaks off those before, and the error that says so. Raises VsrError."""
    crops, times, broken = [], [], None
    try:
        for image, place in frames_from(path):
            crops.append(_mouth(image, path))
            times.append(place.time)
    except VsrError as error:
        broken = error
    if broken and (len(crops) < MIN_FRAMES or broken.reason != "unreadable"):
        raise broken
    if len(crops) < MIN_FRAMES:
        raise VsrError("too_short", f"{path}: {len(crops)} frames; at least {MIN_FRAMES} are needed")
    return MouthClip(np.stack(crops), np.array(times), probe(path), 0, 1.0, []), broken


def _mouth(image: np.ndarray, path: str | Path) -> np.ndarray:
    """Frame (S, S, 3) RGB -> (96, 96) gray."""
    height, width = image.shape[:2]
    if height != width or height < SMALLEST:
        problem = f"its frames are {width} x {height} pixels"
        raise VsrError("bad_options", f"{path} is no video of a mouth alone: {problem}; leave --cropped out")
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if height == SIDE:
        return gray
    return cv2.resize(gray, (SIDE, SIDE), interpolation=cv2.INTER_AREA if height > SIDE else cv2.INTER_LINEAR)


def transcribe_cropped(loaded: LoadedModel, path: str | Path, options: DecodeOptions, modality: str = "") -> Transcript:
    """Read such a video: all of it counts as speech of one face. ``modality``: of a model that hears, video or both.
    Raises VsrError as `cropped_clip`; of one that breaks off or is damaged, an `Incomplete` whose ``record`` is the
    `Transcript` of what could be read."""
    clip, broken = _to_the_break(path)
    hearing = hearing_of(loaded, path, modality)
    made = hearing.noted(provenance(loaded, path, options, 1, clip.info.stream) | {"cropped": True})
    segments = read_clip(loaded, clip, options, hearing.waves)
    found = Transcript(
        str(path), clip.info.fps, clip.info.end, loaded.name, tuple(segments), tracks=(report_of_cropped(clip),),
        shots=(float(clip.times[0]),), provenance=made,
    )  # fmt: skip
    if broken:
        raise incomplete(found, broken)
    return found
