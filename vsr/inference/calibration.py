"""What a model says of its own words, fitted: word confidence and the chance that lips are of its domain.

Inside are development clips with transcripts; outside is footage of other speech, of which every word that the model
gives counts as wrong. Both are read from the video on, as `vsr transcribe` reads them. Where figures are given, the
person inside or the source clip outside was left out of the fit that scores it.
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
from vsr.decoding.encoding import asked_of, mesh_for
from vsr.decoding.options import DecodeOptions
from vsr.face.mouth_crop import crop_video
from vsr.inference.recognition import search_crops, spans_to_read
from vsr.media.reader import probe
from vsr.text.normalise import normaliser

if TYPE_CHECKING:
    from vsr.data.manifest import Clip
    from vsr.modelstore.folder import LoadedModel

REST = 50  # frames at least that lips rest between two stretches of speech


@dataclass(frozen=True)
class Assessed:
    """One window: the clip that it is of, its `measures`, each word's raw confidence, and if it is right; the mean
    entropy of its frames (nats), and who speaks, if that is known."""

    source: str
    measures: np.ndarray
    raw: tuple[float, ...]
    correct: tuple[bool, ...]
    entropy: float = 0.0
    person: str = ""


def assessed(loaded: LoadedModel, clip: Clip, options: DecodeOptions, inside: bool) -> Iterator[Assessed]:
    """Read a clip's video, window by window. Raises VsrError for one that `crop_video` refuses.

    Of a model with a calibration for what the reader of pixels knows, windows that it knows are left out.
    """
    mouth = crop_video(clip.video, start=clip.start, end=clip.end, mesh=mesh_for(loaded), on_request=True)
    said = normaliser("lower")(clip.text).split() if inside else []
    for start, stop in spans_to_read(mouth, preferred_window(loaded)):
        points = asked_of(loaded, mouth, [(start, stop)])
        states, ((best, *_),) = search_crops(loaded, [mouth.crop[start:stop]], options, points)
        if KNOWN in loaded.config and not by_both(loaded, states[0]):
            continue
        words = align_text(loaded.model, states[0], loaded.tokenizer, best.tokens)
        raw = tuple(word.confidence for word in words)
        found = measures(loaded.model, states[0], best.tokens, best.score, raw)
        right = tuple(correct_words(said, [word.word for word in words]))
        person = clip.speaker if inside else ""
        yield Assessed(clip.video, found, raw, right, entropy_of(loaded.model, states[0]), person)


def most_readings(loaded: LoadedModel, clips: Sequence[Clip], enough: int) -> int:
    """At most so many windows are read of the clips, by how long they are; none of one that cannot be opened. Above
    ``enough`` it is not counted further."""
    found = 0
    for clip in clips:
        if found < enough:
            found += _most(clip, preferred_window(loaded))
    return found


def _most(clip: Clip, window: int) -> int:
    try:
        info = probe(clip.video)
    except VsrError:
        return 0
    frames = round(((clip.end or info.end) - clip.start) * FPS)
    return len(window_spans(frames, window)) + max(0, frames) // REST


def rows_of(readings: Sequence[Assessed]) -> np.ndarray:
    """(N, 4) measures."""
    return np.stack([each.measures for each in readings])
