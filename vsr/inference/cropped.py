"""Videos that show only a mouth, as written by crop tools: no face detection, no alignment.

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
from vsr.inference.face_report import cropped_track_report
from vsr.inference.listening import hearing_of, incomplete
from vsr.inference.recognition import read_clip
from vsr.media.reader import frames_from, probe
from vsr.output.transcript import Transcript

if TYPE_CHECKING:
    from vsr.modelstore.folder import LoadedModel

SIDE = 96
SMALLEST = 64  # pixels; a smaller frame shows no lips


def cropped_clip(path: str | Path) -> MouthClip:
    """The mouth crops of such a video at 25 fps, gray, resized to 96 x 96.

    Raises:
        VsrError: bad_options for frames that are not square or too small; too_short, unreadable, no_video.
    """
    clip, broken = _to_the_break(path)
    if broken:
        raise broken
    return clip


def _to_the_break(path: str | Path) -> tuple[MouthClip, VsrError | None]:
    """The crops of such a video, up to its end or its damage, and the error of the damage or None. Raises VsrError."""
    crops, times, broken = [], [], None
    try:
        for image, position in frames_from(path):
            crops.append(_mouth(image, path))
            times.append(position.time)
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
    """Transcribe such a video: all of it counts as speech of one face. ``modality``: video or both, for an audio-visual
    model. Raises VsrError as `cropped_clip`; for a truncated or damaged video, an `Incomplete` whose ``record`` is the
    `Transcript` of its readable part."""
    clip, broken = _to_the_break(path)
    hearing = hearing_of(loaded, path, modality)
    run_provenance = hearing.with_modality(provenance(loaded, path, options, 1, clip.info.stream) | {"cropped": True})
    segments = read_clip(loaded, clip, options, hearing.waves)
    transcript = Transcript(
        str(path), clip.info.fps, clip.info.end, loaded.name, tuple(segments), tracks=(cropped_track_report(clip),),
        shots=(float(clip.times[0]),), provenance=run_provenance,
    )  # fmt: skip
    if broken:
        raise incomplete(transcript, broken)
    return transcript
