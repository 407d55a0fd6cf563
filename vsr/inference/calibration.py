"""What a model says of its own words, fitted: word confidence and the chance that lips are of its domain.

Inside are development clips with transcripts; outside is footage of other speech, of which every word that the model
gives counts as wrong. Both are read from the video on, as `vsr transcribe` reads them. Where figures are given, each
source clip outside was left out of the fit that scores it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from vsr.core.errors import VsrError
from vsr.decoding.align import align_text
from vsr.decoding.assess import KNOWN, by_both
from vsr.decoding.confidence import calibrated, correct_words, expected_calibration_error, logit
from vsr.decoding.domain import fit_domain, in_domain, measures
from vsr.decoding.encoding import mesh_for
from vsr.decoding.options import DecodeOptions
from vsr.face.mouth_crop import crop_video
from vsr.inference.recognition import preferred_window, search_crops, spans_to_read
from vsr.output.transcript import FLAGGED
from vsr.text.normalise import normaliser

if TYPE_CHECKING:
    from vsr.data.manifest import Clip
    from vsr.modelstore.folder import LoadedModel

BELIEVED = 0.8  # confidence above which a reader takes a word for right
TIED = 0.5  # pull of the weights to those that leave a raw confidence as it is
FEWEST = 10  # readings on each side


@dataclass(frozen=True)
class Assessed:
    """One window: the clip that it is of, its `measures`, and each word's raw confidence, and if it is right."""

    source: str
    measures: np.ndarray
    raw: tuple[float, ...]
    correct: tuple[bool, ...]


def assessed(loaded: LoadedModel, clip: Clip, options: DecodeOptions, inside: bool) -> Iterator[Assessed]:
    """Read a clip's video, window by window. Raises VsrError for one that `crop_video` refuses.

    Of a model with a calibration for what the reader of pixels knows, windows that it knows are left out.
    """
    mouth = crop_video(clip.video, start=clip.start, end=clip.end, mesh=mesh_for(loaded), on_request=True)
    said = normaliser("lower")(clip.text).split() if inside else []
    for start, stop in spans_to_read(mouth, preferred_window(loaded)):
        states, ((best, *_),) = search_crops(loaded, [mouth.crop[start:stop]], options, [mouth.mouth_of(start, stop)])
        if KNOWN in loaded.config and not by_both(loaded, states[0]):
            continue
        words = align_text(loaded.model, states[0], loaded.tokenizer, best.tokens)
        raw = tuple(word.confidence for word in words)
        found = measures(loaded.model, states[0], best.tokens, best.score, raw)
        yield Assessed(clip.video, found, raw, tuple(correct_words(said, [word.word for word in words])))


def fit_both(inside: Sequence[Assessed], outside: Sequence[Assessed]) -> tuple[dict, dict, dict]:
    """(domain, confidence, figures): what config.json keeps under "domain" and "confidence", and how well both do.

    Raises VsrError bad_manifest where a side has too few readings.
    """
    if min(len(inside), len(outside)) < FEWEST:
        message = f"{len(inside)} readings inside and {len(outside)} outside; at least {FEWEST} of each are needed"
        raise VsrError("bad_manifest", message)
    domain = fit_domain(_rows(inside), _rows(outside))
    chances = [[in_domain(each.measures, domain) for each in inside], _left_out(inside, outside)]
    confidence = _fit_confidence(_words(inside, chances[0]), _words(outside, chances[1]))
    return domain, confidence, _figures(inside, outside, chances, confidence)


def _rows(readings: Sequence[Assessed]) -> np.ndarray:
    return np.stack([each.measures for each in readings])


def _left_out(inside: Sequence[Assessed], outside: Sequence[Assessed]) -> list[float]:
    """The chance of each reading outside by a fit that has not seen its source clip."""
    fits = {}
    for source in dict.fromkeys(each.source for each in outside):
        others = [each for each in outside if each.source != source] or list(outside)
        fits[source] = fit_domain(_rows(inside), _rows(others))
    return [in_domain(each.measures, fits[each.source]) for each in outside]


def _words(readings: Sequence[Assessed], chances: Sequence[float]) -> list[tuple[float, float, bool]]:
    """(raw confidence, chance of the reading, right) of every word."""
    pairs = zip(readings, chances, strict=True)
    return [(raw, c, ok) for each, c in pairs for raw, ok in zip(each.raw, each.correct, strict=True)]


def _fit_confidence(inside: list[tuple], outside: list[tuple]) -> dict:
    """Logistic regression of a word being right on its log-odds and, below even, those of its reading's domain."""
    rows = [(logit(raw), 1.0, min(0.0, logit(chance)), ok) for raw, chance, ok in (*inside, *outside)]
    x, right = np.array([row[:3] for row in rows]), np.array([row[3] for row in rows], bool)
    sign = np.where(right, 1.0, -1.0)

    def loss(weights: np.ndarray) -> float:
        pull = 0.5 * TIED * ((weights - (1.0, 0.0, 1.0)) ** 2).sum()
        return float(np.logaddexp(0, -sign * (x @ weights)).sum() + pull)

    scale, offset, gain = minimize(loss, np.array([1.0, 0.0, 1.0])).x
    return {"scale": float(scale), "offset": float(offset), "domain": float(gain), "words": len(rows)}


def _figures(inside, outside, chances, confidence: dict) -> dict:
    """Shares in [0, 1]: what is flagged on each side, words outside that would be believed; and the error inside."""
    flagged = [float(np.mean(np.array(side) < FLAGGED)) for side in chances]
    words = [_words(side, own) for side, own in zip((inside, outside), chances, strict=True)]
    sure = [[calibrated(raw, confidence, chance) for raw, chance, _ in side] for side in words]
    return {
        "inside": len(inside), "outside": len(outside), "flagged_inside": flagged[0], "flagged_outside": flagged[1],
        "believed_outside": float(np.mean(np.array(sure[1]) > BELIEVED)) if sure[1] else 0.0,
        "ece": expected_calibration_error(sure[0], [ok for *_, ok in words[0]]),
    }  # fmt: skip
