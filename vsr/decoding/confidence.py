"""Word confidence that means what it says: of the words given 0.9, about nine in ten are right.

A raw confidence (mean posterior along the alignment) is mapped by sigmoid(scale * logit(raw) + offset) (Platt 1999),
fitted on decoded dev clips; the two numbers are kept in the model's config.json. A reader is as sure of people whom it
does not know as of others, and wrong more often: by the entropy of its frames the two can be told apart, so that scale
and offset may be greater for people whom it knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np

EDGE = 1e-4
STEEPNESS = 20  # with which the entropy of frames parts people whom a reader knows from others


def logit(p: float) -> float:
    """Log-odds, with ``p`` kept off 0 and 1."""
    p = min(max(p, EDGE), 1 - EDGE)
    return math.log(p / (1 - p))


def calibrated(raw: float, calibration: dict | None, in_domain: float | None = None) -> float:
    """Apply a model's calibration; none leaves ``raw`` as it is. ``in_domain``: chance that the whole reading is of the
    model's domain, for a calibration that was fitted with it."""
    if not calibration:
        return raw
    odds = calibration["scale"] * logit(raw) + calibration["offset"]
    if in_domain is not None:
        odds += calibration.get("domain", 0.0) * min(0.0, logit(in_domain))
    return 1 / (1 + math.exp(-odds))


def familiarity(entropy: float, limit: float) -> float:
    """How far a reader knows the person, in [0, 1], by the mean entropy of its frames: 1/2 at the ``limit`` (nats)."""
    return 1 / (1 + (entropy / limit) ** STEEPNESS)


def settled(calibration: dict | None, entropy: float) -> dict | None:
    """A model's calibration for a reading with this mean entropy of its frames, in nats."""
    familiar = calibration.get("familiar") if calibration else None
    if not calibration or not familiar:
        return calibration
    known = familiarity(entropy, familiar["entropy"])
    more = {"scale": familiar["scale"], "offset": familiar["offset"]}
    return calibration | {name: calibration[name] + known * more[name] for name in more}


def correct_words(reference: Sequence[str], hypothesis: Sequence[str]) -> list[bool]:
    """For each hypothesis word, whether it stands in the reference at its place."""
    correct = [False] * len(hypothesis)
    for block in SequenceMatcher(None, reference, hypothesis, autojunk=False).get_matching_blocks():
        correct[block.b : block.b + block.size] = [True] * block.size
    return correct


def fit(raw: Sequence[float], correct: Sequence[bool]) -> dict:
    """Logistic regression, lightly held to the identity; returns scale, offset, ece, words."""
    from scipy.optimize import minimize

    x = np.array([logit(p) for p in raw])
    sign = np.where(np.array(correct, bool), 1.0, -1.0)

    def loss(weights: np.ndarray) -> float:
        margins = sign * (weights[0] * x + weights[1])
        return float(np.logaddexp(0, -margins).sum() + 0.5 * ((weights - (1.0, 0.0)) ** 2).sum())

    scale, offset = minimize(loss, np.array([1.0, 0.0])).x
    found = {"scale": float(scale), "offset": float(offset), "words": len(x)}
    return found | {"ece": expected_calibration_error([calibrated(p, found) for p in raw], correct)}


def expected_calibration_error(confidence: Sequence[float], correct: Sequence[bool], bins: int = 10) -> float:
    """Mean distance of confidence and accuracy over equally wide bins, weighted by their words (Guo et al. 2017)."""
    p, y = np.asarray(confidence, float), np.asarray(correct, float)
    place = np.minimum((p * bins).astype(int), bins - 1)
    gaps = [abs(p[place == b].mean() - y[place == b].mean()) * (place == b).mean() for b in set(place.tolist())]
    return float(sum(gaps))
