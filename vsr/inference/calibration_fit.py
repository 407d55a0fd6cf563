"""Fit word confidence together with the in-domain probability, and evaluate both on held-out people.

A fit evaluated on its own people says nothing about others: each figure is for a person, or for a source clip outside,
by a fit of all others.

Shapes: N words, C columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError
from vsr.decoding.confidence import calibrated, calibration_for, expected_calibration_error, familiarity, logit
from vsr.decoding.domain import fit_domain, in_domain
from vsr.decoding.guesses import is_guess
from vsr.inference.calibration import AssessedWindow, rows_of

BELIEVED = 0.8  # confidence above which a user would take a word as correct
TIED = 0.5  # regularisation towards the weights that leave the raw confidence unchanged
FEWEST = 10  # readings on each side
FOLDS = 20  # most folds; a person is never split
LIMITS = np.arange(0.1, 1.0, 0.1)  # quantiles of the entropies inside that are tried as the limit of familiarity


@dataclass(frozen=True)
class HeldOutReading:
    """One reading scored by a fit without its person or clip: in-domain probability, confidence of each word."""

    reading: AssessedWindow
    inside: bool
    chance: float
    sure: tuple[float, ...]


def fit_both(inside: Sequence[AssessedWindow], outside: Sequence[AssessedWindow]) -> tuple[dict, dict, dict]:
    """(domain, confidence, figures): the entries "domain" and "confidence" of config.json, and their evaluation.

    Raises VsrError bad_manifest if a side has too few readings.
    """
    check_enough(len(inside), "inside")
    check_enough(len(outside), "outside")
    return *fitted(inside, outside), figures(held_out_readings(inside, outside))


def check_enough(readings: int, side: str, at_most: str = "") -> None:
    """Refuse a side with too few readings. Raises VsrError bad_manifest."""
    if readings < FEWEST:
        raise VsrError("bad_manifest", f"{at_most}{readings} readings {side}; each side needs {FEWEST} or more")


def fitted(inside: Sequence[AssessedWindow], outside: Sequence[AssessedWindow]) -> tuple[dict, dict]:
    """Fit (domain, confidence) to these readings."""
    domain = fit_domain(rows_of(inside), rows_of(outside))
    both = [*inside, *outside]
    return domain, fit_confidence(both, [in_domain(reading.measures, domain) or 0.0 for reading in both])


def fit_confidence(readings: Sequence[AssessedWindow], probabilities: Sequence[float]) -> dict:
    """Logistic regression of a word's correctness on its log-odds, on the in-domain log-odds of its reading where they
    are below 0, and on the familiarity of the person, alone and times the log-odds (a raw confidence says less about
    unfamiliar people). The entropy limit of familiarity is the one that fits best."""
    words = [
        (logit(raw), 1.0, min(0.0, logit(chance)), reading.entropy, is_right)
        for reading, chance in zip(readings, probabilities, strict=True)
        for raw, is_right in zip(reading.raw, reading.correct, strict=True)
    ]
    table, right = np.array([row[:4] for row in words]), np.array([row[4] for row in words], bool)
    limits = _limits(table[:, 3], right)
    fits = [(*_logistic(_with_familiarity(table, limit), right), limit) for limit in limits or [0.0]]
    loss, (scale, offset, gain, *familiar), limit = min(fits, key=lambda fit: fit[0])
    confidence = {"scale": scale, "offset": offset, "domain": gain, "words": len(words)}
    if not familiar:
        return confidence
    return confidence | {"familiar": {"offset": familiar[0], "scale": familiar[1], "entropy": limit}}


def _limits(entropies: np.ndarray, right: np.ndarray) -> list[float]:
    """Candidates of the entropy limit of familiarity; none for a model without entropy."""
    of_correct_words = entropies[right] if right.any() else entropies
    return sorted({float(limit) for limit in np.quantile(of_correct_words, LIMITS) if limit > 0})


def _with_familiarity(table: np.ndarray, limit: float) -> np.ndarray:
    """(N, 4), log-odds first and the entropy last -> (N, 5), with the familiarity of the person and its product with
    the log-odds instead of the entropy, or (N, 3) without a limit."""
    if not limit:
        return table[:, :3]
    familiarities = np.array([familiarity(entropy, limit) for entropy in table[:, 3]])
    return np.column_stack([table[:, :3], familiarities, familiarities * table[:, 0]])


def _logistic(x: np.ndarray, right: np.ndarray) -> tuple[float, list[float]]:
    """(loss, weights (C,)) of a regression, lightly regularised to the unchanged raw confidence and domain odds."""
    from scipy.optimize import minimize

    sign, prior = np.where(right, 1.0, -1.0), np.array([1.0, 0.0, 1.0, 0.0, 0.0][: x.shape[1]])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins, pull = sign * (x @ weights), weights - prior
        gradient = -(sign / (1 + np.exp(np.clip(margins, -500, 500)))) @ x
        return float(np.logaddexp(0, -margins).sum() + TIED / 2 * (pull**2).sum()), gradient + TIED * pull

    result = minimize(loss, prior, jac=True)
    return float(result.fun), result.x.tolist()


def held_out_readings(inside: Sequence[AssessedWindow], outside: Sequence[AssessedWindow]) -> list[HeldOutReading]:
    """Every reading, scored by a fit without its person; outside, or if all are of one person, without its clip."""
    sides = [(reading, True) for reading in inside] + [(reading, False) for reading in outside]
    alone = len({reading.person for reading in inside}) < 2
    names = [reading.source if alone or not is_inside else reading.person for reading, is_inside in sides]
    order = {name: index % FOLDS for index, name in enumerate(dict.fromkeys(names))}
    folds = [order[name] for name in names]
    scored: list[HeldOutReading] = []
    for fold in dict.fromkeys(folds):
        rest = [side for side, other in zip(sides, folds, strict=True) if other != fold]
        chosen = [side for side, other in zip(sides, folds, strict=True) if other == fold]
        rest_inside = [reading for reading, is_inside in rest if is_inside]
        rest_outside = [reading for reading, is_inside in rest if not is_inside]
        domain, confidence = fitted(rest_inside or inside, rest_outside or outside)
        scored += [_judged(reading, is_inside, domain, confidence) for reading, is_inside in chosen]
    return scored


def _judged(reading: AssessedWindow, inside: bool, domain: dict, confidence: dict) -> HeldOutReading:
    chance, settings = in_domain(reading.measures, domain) or 0.0, calibration_for(confidence, reading.entropy)
    return HeldOutReading(reading, inside, chance, tuple(calibrated(raw, settings, chance) for raw in reading.raw))


def figures(readings: Sequence[HeldOutReading]) -> dict:
    """Shares in [0, 1]: readings flagged on each side, words outside that would be believed, calibration error inside;
    and the same for each person."""
    sides = {is_inside: [item for item in readings if item.inside is is_inside] for is_inside in (True, False)}
    people = dict.fromkeys(item.reading.person for item in sides[True])
    share = {is_inside: summary(items) for is_inside, items in sides.items()}
    return {
        "inside": share[True]["readings"], "outside": share[False]["readings"],
        "flagged_inside": share[True]["flagged"], "flagged_outside": share[False]["flagged"],
        "believed_outside": share[False]["believed"], "ece": share[True]["ece"],
        "people": {name: summary([item for item in sides[True] if item.reading.person == name]) for name in people},
    }  # fmt: skip


def summary(readings: Sequence[HeldOutReading]) -> dict:
    """Counts of readings and words, shares flagged, right and believed, and the expected calibration error."""
    confidences = [value for item in readings for value in item.sure]
    right = [is_right for item in readings for is_right in item.reading.correct]
    return {
        "readings": len(readings), "flagged": float(np.mean([is_guess(item.chance) for item in readings])),
        "words": len(confidences),
        "right": float(np.mean(right)) if right else 0.0,
        "believed": float(np.mean(np.array(confidences) > BELIEVED)) if confidences else 0.0,
        "ece": expected_calibration_error(confidences, right) if confidences else 0.0,
    }  # fmt: skip
