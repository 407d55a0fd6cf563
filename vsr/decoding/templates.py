"""Phrases known by examples: dynamic time warping (Sakoe and Chiba 1978) of what is seen to each example, over several
streams of vectors at once, such as layers of an encoder and points of the mouth.

Distances of a stream are counted in the median distance between examples of different phrases, so that streams of any
scale add up, and a distance of 1 is that of two phrases that have nothing to do with each other.

Shapes: T frames that are seen, U frames of an example, N examples, D width of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError

Streams = Mapping[str, np.ndarray]  # name -> (T, D)

SHARE, LEAST = 0.25, 0.3  # chosen on a speaker who is in no training list and not tested on (docs/verbs.md)


@dataclass(frozen=True)
class Match:
    """A phrase: distance, of the nearest of its examples; fit in [0, 1]: 1 where an example is what is seen, near 0
    where it is as far away as any other phrase."""

    phrase: str
    distance: float
    fit: float


def normalised(states: np.ndarray) -> np.ndarray:
    """States (T, D), each with mean 0 and length 1: their distance is that of their directions."""
    centred = states - states.mean(1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def with_motion(points: np.ndarray) -> np.ndarray:
    """Points (T, D) less their mean over the clip, and how they move: (T, 2 D)."""
    centred = points - points.mean(0)
    return np.concatenate([centred, 2 * np.gradient(centred, axis=0)], 1)


def warped(seen: np.ndarray, examples: Sequence[np.ndarray]) -> np.ndarray:
    """Mean distance of the vectors of ``seen`` (T, D) and of each example (U, D) along the best path, (N,).

    A step along both counts twice, so that every path of T and U frames has the same weight, T + U.
    """
    lengths = np.array([len(example) for example in examples])
    padded = np.zeros((len(examples), lengths.max(), seen.shape[1]))
    for own, example in zip(padded, examples, strict=True):
        own[: len(example)] = example
    squares = (seen**2).sum(-1)[:, None] + (padded**2).sum(-1)[:, None] - 2 * np.einsum("td,nud->ntu", seen, padded)
    costs = np.sqrt(np.maximum(squares, 0))
    paths = np.full((len(examples), len(seen) + 1, lengths.max() + 1), np.inf)
    paths[:, 0, 0] = 0
    for t, u in np.ndindex(len(seen), lengths.max()):
        cost = costs[:, t, u]
        straight = np.minimum(paths[:, t, u + 1], paths[:, t + 1, u]) + cost
        paths[:, t + 1, u + 1] = np.minimum(paths[:, t, u] + 2 * cost, straight)
    return paths[np.arange(len(examples)), len(seen), lengths] / (len(seen) + lengths)


class Templates:
    """Examples of phrases, to which clips are compared.

    Args:
        examples: phrase -> its examples, which all have the same streams.

    Raises:
        VsrError: bad_text, for fewer than two phrases: there is nothing to tell apart.
    """

    def __init__(self, examples: Mapping[str, Sequence[Streams]]):
        self.labels = [phrase for phrase, own in examples.items() for _ in own]
        self.examples = [example for own in examples.values() for example in own]
        if len(set(self.labels)) < 2:
            raise VsrError("bad_text", "there is nothing to choose from: enrol at least two phrases")
        common = set.intersection(*(set(own) for own in self.examples))
        pairs = {name: self._pairs(name) for name in sorted(common)}
        others = np.array(self.labels)[:, None] != np.array(self.labels)
        self.scales = {name: max(float(np.median(own[others])), 1e-6) for name, own in pairs.items()}
        self._apart = np.mean([own / self.scales[name] for name, own in pairs.items()], axis=0)

    def _pairs(self, name: str) -> np.ndarray:
        """Distance of each example to each, (N, N), in one stream."""
        streams = [own[name] for own in self.examples]
        return np.stack([warped(own, streams) for own in streams])

    def distances(self, seen: Streams) -> np.ndarray:
        """To each example, (N,): the mean over the streams that both have."""
        names = [name for name in self.scales if name in seen]
        each = [warped(seen[name], [own[name] for own in self.examples]) / self.scales[name] for name in names]
        return np.mean(each, axis=0)

    def ranked(self, seen: Streams) -> list[Match]:
        """Every phrase, the nearest first."""
        nearest = self._nearest(self.distances(seen))
        order = sorted(nearest, key=lambda phrase: nearest[phrase])
        return [Match(phrase, nearest[phrase], _fit(nearest, phrase)) for phrase in order]

    def _nearest(self, distances: np.ndarray) -> dict[str, float]:
        """The distance of the nearest example of each phrase."""
        labels = np.array(self.labels)
        return {phrase: float(distances[labels == phrase].min()) for phrase in dict.fromkeys(self.labels)}

    def threshold(self, share: float = SHARE, least: float = LEAST) -> float:
        """The fit above which ``share`` of the examples would be taken for another phrase, were theirs not enrolled:
        what is none of the phrases is accepted about as often. ``least``, for fewer than three phrases."""
        if len(set(self.labels)) < 3:
            return least
        best = []
        for label, distances in zip(self.labels, self._apart, strict=True):
            nearest = {phrase: own for phrase, own in self._nearest(distances).items() if phrase != label}
            best.append(_fit(nearest, min(nearest, key=lambda phrase: nearest[phrase])))
        return float(np.quantile(best, 1 - share))


def _fit(nearest: Mapping[str, float], phrase: str) -> float:
    """1 - distance, as a share of the median over the other phrases: 1 where it is what is seen."""
    others = float(np.median([distance for other, distance in nearest.items() if other != phrase]))
    return float(np.clip(1 - nearest[phrase] / max(others, 1e-6), 0, 1))
