"""Calibrated word confidence: of the words with confidence 0.9, about nine in ten are right.

A raw confidence (mean posterior along the alignment) is mapped by sigmoid(scale * logit(raw) + offset) (Platt 1999),
fitted on decoded dev clips; the two numbers are kept in the model's config.json. A model is as confident on unseen
speakers as on those of its training, but wrong more often. The entropy of its frames tells the two apart, so that scale
and offset may be greater for speakers that it knows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np

EDGE = 1e-4
STEEPNESS = 20  # of the boundary in frame entropy between speakers that a model knows and others


def logit(p: float) -> float:
    """Log-odds, with ``p`` clipped away from 0 and 1."""
    p = min(max(p, EDGE), 1 - EDGE)
    return math.log(p / (1 - p))


def calibrated(raw: float, calibration: dict | None, in_domain: float | None = None) -> float:
    """Apply a model's calibration; None leaves ``raw`` unchanged. ``in_domain``: probability that the utterance is in
    the model's domain, for a calibration that was fitted with it."""
    if not calibration:
        return raw
    odds = calibration["scale"] * logit(raw) + calibration["offset"]
    if in_domain is not None:
        odds += calibration.get("domain", 0.0) * min(0.0, logit(in_domain))
    return 1 / (1 + math.exp(-odds))


def familiarity(entropy: float, limit: float) -> float:
    """How well a model knows the speaker, in [0, 1], from its mean frame entropy: 1/2 at the ``limit`` (nats)."""
    return 1 / (1 + (entropy / limit) ** STEEPNESS)


def calibration_for(calibration: dict | None, entropy: float) -> dict | None:
    """A model's calibration for an utterance with this mean frame entropy, in nats."""
    familiar = calibration.get("familiar") if calibration else None
    if not calibration or not familiar:
        return calibration
    weight = familiarity(entropy, familiar["entropy"])
    change = {"scale": familiar["scale"], "offset": familiar["offset"]}
    return calibration | {name: calibration[name] + weight * change[name] for name in change}


def correct_words(reference: Sequence[str], hypothesis: Sequence[str]) -> list[bool]:
    """For each word of the hypothesis, whether it matches the reference in their alignment."""
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
    calibration = {"scale": float(scale), "offset": float(offset), "words": len(x)}
    return calibration | {"ece": expected_calibration_error([calibrated(p, calibration) for p in raw], correct)}


def expected_calibration_error(confidence: Sequence[float], correct: Sequence[bool], bins: int = 10) -> float:
    """Mean gap between confidence and accuracy over equally wide bins, weighted by their words (Guo et al. 2017)."""
    p, y = np.asarray(confidence, float), np.asarray(correct, float)
    index = np.minimum((p * bins).astype(int), bins - 1)
    gaps = [abs(p[index == b].mean() - y[index == b].mean()) * (index == b).mean() for b in set(index.tolist())]
    return float(sum(gaps))
