"""Whether lips look like a model's training data, or its words are guesses.

A model with a small vocabulary reads those words from any mouth. Four measures tell guesses apart: the confidence of
the words, the score of the best hypothesis, the entropy of the frames' posteriors, and whether CTC alone, which reads
every frame for itself, agrees with the joint search. A logistic regression over these four, fitted on the model's dev
lists against footage of other speech, gives the probability that a segment is in the model's domain; it is kept in the
model's config.json under "domain".

Shapes: T frames, D width, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
import torch
from torch import Tensor

from vsr.core.tokens import BLANK
from vsr.decoding.confidence import logit
from vsr.decoding.guesses import is_guess

MEASURES = ("confidence", "score", "entropy", "agreement")
HOLD = 0.1  # L2 penalty of each weight: measures that are correlated share the weight


@torch.inference_mode()
def measures(model, states: Tensor, tokens: Sequence[int], score: float, confidences: Sequence[float]) -> np.ndarray:
    """(4,) measures of one hypothesis, in the order of `MEASURES`: mean log-odds of the raw word confidences, score per
    token, mean entropy of the CTC posteriors of non-blank frames, similarity of the greedy CTC tokens and ``tokens``.

    ``states`` (T, D) are the encoder's. For a model without CTC the last two are 0.
    """
    log_odds = float(np.mean([logit(p) for p in confidences])) if confidences else logit(0.0)
    entropy, agreement = _of_ctc(model, states, tokens) if model.ctc else (0.0, 0.0)
    return np.array([log_odds, score / (len(tokens) + 1), entropy, agreement])


def _of_ctc(model, states: Tensor, tokens: Sequence[int]) -> tuple[float, float]:
    log_probs = model.ctc_log_probs(states[None])[0].float().cpu()
    path = log_probs.argmax(-1)
    is_token = path != BLANK
    entropy = -(log_probs.exp() * log_probs).sum(-1)
    mean_entropy = float(entropy[is_token].mean()) if is_token.any() else float(entropy.mean())
    ctc_tokens = [token for token in torch.unique_consecutive(path).tolist() if token != BLANK]
    return mean_entropy, SequenceMatcher(None, ctc_tokens, list(tokens), autojunk=False).ratio()


@torch.inference_mode()
def entropy_of(model, states: Tensor) -> float:
    """Mean entropy (nats) of the CTC posteriors of all frames of states (T, D): low for speakers that the model knows;
    0 for a model without CTC."""
    if not model.ctc:
        return 0.0
    log_probs = model.ctc_log_probs(states[None])[0].float()
    return float(-(log_probs.exp() * log_probs).sum(-1).mean())


def in_domain(values: np.ndarray, domain: dict | None) -> float | None:
    """Probability that a hypothesis with measures ``values`` (4,) is in the model's domain; None for a model without a
    fit."""
    if not domain:
        return None
    scaled = (values - np.array(domain["mean"])) / np.array(domain["std"])
    odds = float(scaled @ np.array(domain["weights"])) + domain["bias"]
    return 1 / (1 + math.exp(-min(max(odds, -30.0), 30.0)))


def limited_probability(probability: float | None, limit: float) -> float | None:
    """The probability of being in domain, limited to ``limit``. For a model without a fit (None) the result is
    ``limit`` if that is below 0.5, else None."""
    if probability is None:
        return limit if is_guess(limit) else None
    return min(probability, limit)


def fit_domain(inside: np.ndarray, outside: np.ndarray) -> dict:
    """Logistic regression on measures (N, 4) inside and (M, 4) outside of the domain, both sides with equal weight."""
    from scipy.optimize import minimize

    both = np.concatenate([inside, outside])
    mean, std = both.mean(0), both.std(0) + 1e-6
    sign = np.repeat([1.0, -1.0], [len(inside), len(outside)])
    share = np.repeat([0.5 / len(inside), 0.5 / len(outside)], [len(inside), len(outside)])
    scaled = (both - mean) / std

    def loss(weights: np.ndarray) -> float:
        margins = sign * (scaled @ weights[:-1] + weights[-1])
        return float((share * np.logaddexp(0, -margins)).sum() + HOLD / 2 * (weights[:-1] ** 2).mean() / len(MEASURES))

    *weights, bias = minimize(loss, np.zeros(len(MEASURES) + 1)).x
    return {"mean": mean.tolist(), "std": std.tolist(), "weights": list(map(float, weights)), "bias": float(bias)}
