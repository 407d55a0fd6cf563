"""Readings for the calibration of a model: word confidence and the probability that lips are in its domain.

The inside set has development clips with transcripts; the outside set has videos of other speech, for which every word
of the model counts as wrong. Both are read from the video file, as `vsr transcribe` does. In reported figures, the
person (inside) or the source clip (outside) was left out of the fit that scores it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.windows import window_spans
from vsr.decoding.align import align_text
from vsr.decoding.assess import KNOWN, by_both
from vsr.decoding.confidence import correct_words
from vsr.decoding.defaults import preferred_window
from vsr.decoding.domain import entropy_of, measures
from vsr.decoding.encoding import mesh_for, usable_mouth_points
from vsr.decoding.options import DecodeOptions
from vsr.face.mouth_crop import crop_video
from vsr.inference.recognition import search_crops, spans_to_read
from vsr.media.reader import probe
from vsr.text.normalise import normaliser

if TYPE_CHECKING:
    from vsr.data.manifest import Clip
    from vsr.modelstore.folder import LoadedModel

REST = 50  # least number of frames of rest between two stretches of speech


@dataclass(frozen=True)
class AssessedWindow:
    """One window: its source clip, its `measures`, the raw confidence of each word and whether it is correct, the mean
    entropy of the frames (nats), and the speaker, if known."""

    source: str
    measures: np.ndarray
    raw: tuple[float, ...]
    correct: tuple[bool, ...]
    entropy: float = 0.0
    person: str = ""


def assess_clip(loaded: LoadedModel, clip: Clip, options: DecodeOptions, inside: bool) -> Iterator[AssessedWindow]:
    """Read a clip's video, window by window. Raises VsrError as `crop_video`.

    For a fused reader with a separate calibration of windows that its pixel reader reads alone, those are skipped.
    """
    mouth = crop_video(clip.video, start=clip.start, end=clip.end, mesh=mesh_for(loaded), on_request=True)
    reference = normaliser("lower")(clip.text).split() if inside else []
    for start, stop in spans_to_read(mouth, preferred_window(loaded)):
        points = usable_mouth_points(loaded, mouth, [(start, stop)])
        states, ((best, *_),) = search_crops(loaded, [mouth.crop[start:stop]], options, points)
        if KNOWN in loaded.config and not by_both(loaded, states[0]):
            continue
        words = align_text(loaded.model, states[0], loaded.tokenizer, best.tokens)
        raw = tuple(word.confidence for word in words)
        window_measures = measures(loaded.model, states[0], best.tokens, best.score, raw)
        right = tuple(correct_words(reference, [word.word for word in words]))
        person = clip.speaker if inside else ""
        yield AssessedWindow(clip.video, window_measures, raw, right, entropy_of(loaded.model, states[0]), person)


def highest_window_count(loaded: LoadedModel, clips: Sequence[Clip], limit: int) -> int:
    """An upper bound of the number of windows in the clips, by their lengths; clips that cannot be opened have none.
    Counting stops at ``limit``."""
    count = 0
    for clip in clips:
        if count < limit:
            count += _window_count(clip, preferred_window(loaded))
    return count


def _window_count(clip: Clip, window: int) -> int:
    try:
        info = probe(clip.video)
    except VsrError:
        return 0
    frames = round(((clip.end or info.end) - clip.start) * FPS)
    return len(window_spans(frames, window)) + max(0, frames) // REST


def rows_of(readings: Sequence[AssessedWindow]) -> np.ndarray:
    """The measures of the readings, (N, 4)."""
    return np.stack([reading.measures for reading in readings])
