"""Word confidence fitted together with the chance of a domain, and figures of people who were left out of the fit.

A fit by people who are known says nothing of others: each figure is of a person, or of a source clip outside, by a fit
of all others.

Shapes: N words, C columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError
from vsr.decoding.confidence import calibrated, expected_calibration_error, familiarity, logit, settled
from vsr.decoding.domain import fit_domain, in_domain
from vsr.decoding.guesses import is_guess
from vsr.inference.calibration import Assessed, rows_of

BELIEVED = 0.8  # confidence above which a reader takes a word for right
TIED = 0.5  # pull of the weights to those that leave a raw confidence as it is
FEWEST = 10  # readings on each side
FOLDS = 20  # of people: one each, or as many in each as needed
LIMITS = np.arange(0.1, 1.0, 0.1)  # quantiles of the entropies inside at which those who are known may end


@dataclass(frozen=True)
class Told:
    """One reading by a fit that has not seen its person or clip: the chance of the domain, each word's confidence."""

    reading: Assessed
    inside: bool
    chance: float
    sure: tuple[float, ...]


def fit_both(inside: Sequence[Assessed], outside: Sequence[Assessed]) -> tuple[dict, dict, dict]:
    """(domain, confidence, figures): what config.json keeps under "domain" and "confidence", and how well both do.

    Raises VsrError bad_manifest where a side has too few readings.
    """
    check_enough(len(inside), "inside")
    check_enough(len(outside), "outside")
    return *fitted(inside, outside), figures(left_out(inside, outside))


def check_enough(readings: int, side: str, at_most: str = "") -> None:
    """Raises VsrError bad_manifest where a side has too few readings."""
    if readings < FEWEST:
        raise VsrError("bad_manifest", f"{at_most}{readings} readings {side}; each side needs {FEWEST} or more")


def fitted(inside: Sequence[Assessed], outside: Sequence[Assessed]) -> tuple[dict, dict]:
    """(domain, confidence) by these readings."""
    domain = fit_domain(rows_of(inside), rows_of(outside))
    both = [*inside, *outside]
    return domain, fit_confidence(both, [in_domain(each.measures, domain) or 0.0 for each in both])


def fit_confidence(readings: Sequence[Assessed], chances: Sequence[float]) -> dict:
    """Logistic regression of a word being right on its log-odds, on those of its reading's domain where they are below
    even, and on how far its person is known, by itself and times the log-odds (a raw confidence says less of people who
    are not known), with the limit of the entropy at which that fits best."""
    words = [
        (logit(raw), 1.0, min(0.0, logit(chance)), each.entropy, ok)
        for each, chance in zip(readings, chances, strict=True)
        for raw, ok in zip(each.raw, each.correct, strict=True)
    ]
    table, right = np.array([row[:4] for row in words]), np.array([row[4] for row in words], bool)
    limits = _limits(table[:, 3], right)
    fits = [(*_logistic(_with_familiarity(table, limit), right), limit) for limit in limits or [0.0]]
    loss, (scale, offset, gain, *familiar), limit = min(fits, key=lambda own: own[0])
    found = {"scale": scale, "offset": offset, "domain": gain, "words": len(words)}
    if not familiar:
        return found
    return found | {"familiar": {"offset": familiar[0], "scale": familiar[1], "entropy": limit}}


def _limits(entropies: np.ndarray, right: np.ndarray) -> list[float]:
    """Where those who are known may end; nowhere for a model that has no entropy."""
    known = entropies[right] if right.any() else entropies
    return sorted({float(limit) for limit in np.quantile(known, LIMITS) if limit > 0})


def _with_familiarity(table: np.ndarray, limit: float) -> np.ndarray:
    """(N, 4), log-odds first and an entropy last -> (N, 5), with how far the person is known and that times the
    log-odds, or (N, 3) without a limit."""
    if not limit:
        return table[:, :3]
    known = np.array([familiarity(entropy, limit) for entropy in table[:, 3]])
    return np.column_stack([table[:, :3], known, known * table[:, 0]])


def _logistic(x: np.ndarray, right: np.ndarray) -> tuple[float, list[float]]:
    """(loss, weights (C,)) of a regression, lightly held to the raw confidence and the domain's odds as they are."""
    from scipy.optimize import minimize

    sign, rest = np.where(right, 1.0, -1.0), np.array([1.0, 0.0, 1.0, 0.0, 0.0][: x.shape[1]])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins, pull = sign * (x @ weights), weights - rest
        slope = -(sign / (1 + np.exp(np.clip(margins, -500, 500)))) @ x
        return float(np.logaddexp(0, -margins).sum() + TIED / 2 * (pull**2).sum()), slope + TIED * pull

    found = minimize(loss, rest, jac=True)
    return float(found.fun), found.x.tolist()


def left_out(inside: Sequence[Assessed], outside: Sequence[Assessed]) -> list[Told]:
    """Every reading, by a fit without its person (without its clip, where all are of one person, and outside)."""
    sides = [(each, True) for each in inside] + [(each, False) for each in outside]
    alone = len({each.person for each in inside}) < 2
    names = [each.source if alone or not own else each.person for each, own in sides]
    order = {name: place % FOLDS for place, name in enumerate(dict.fromkeys(names))}
    folds = [order[name] for name in names]
    told: list[Told] = []
    for fold in dict.fromkeys(folds):
        rest = [[each for (each, side), own in zip(sides, folds, strict=True) if own != fold and side is which]
                for which in (True, False)]  # fmt: skip
        domain, confidence = fitted(rest[0] or inside, rest[1] or outside)
        chosen = (side for side, own in zip(sides, folds, strict=True) if own == fold)
        told += [_told(each, side, domain, confidence) for each, side in chosen]
    return told


def _told(each: Assessed, inside: bool, domain: dict, confidence: dict) -> Told:
    chance, own = in_domain(each.measures, domain) or 0.0, settled(confidence, each.entropy)
    return Told(each, inside, chance, tuple(calibrated(raw, own, chance) for raw in each.raw))


def figures(told: Sequence[Told]) -> dict:
    """Shares in [0, 1]: what is flagged on each side, words outside that would be believed, the error inside; and the
    same of each person."""
    sides = {own: [each for each in told if each.inside is own] for own in (True, False)}
    people = dict.fromkeys(each.reading.person for each in sides[True])
    share = {own: summary(each) for own, each in sides.items()}
    return {
        "inside": share[True]["readings"], "outside": share[False]["readings"],
        "flagged_inside": share[True]["flagged"], "flagged_outside": share[False]["flagged"],
        "believed_outside": share[False]["believed"], "ece": share[True]["ece"],
        "people": {name: summary([each for each in sides[True] if each.reading.person == name]) for name in people},
    }  # fmt: skip


def summary(told: Sequence[Told]) -> dict:
    """Counts of readings and words, shares flagged, right and believed, and the expected calibration error."""
    sure = [value for each in told for value in each.sure]
    right = [ok for each in told for ok in each.reading.correct]
    return {
        "readings": len(told), "flagged": float(np.mean([is_guess(each.chance) for each in told])), "words": len(sure),
        "right": float(np.mean(right)) if right else 0.0,
        "believed": float(np.mean(np.array(sure) > BELIEVED)) if sure else 0.0,
        "ece": expected_calibration_error(sure, right) if sure else 0.0,
    }  # fmt: skip
