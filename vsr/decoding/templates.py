"""Recognise phrases from examples by dynamic time warping (Sakoe and Chiba 1978), over several streams of vectors at
once, such as layers of an encoder and mouth points.

Distances of a stream are divided by the median distance between examples of different phrases, so that streams of any
scale can be averaged; a distance of 1 is typical of two unrelated phrases.

Shapes: T frames of a clip, U frames of an example, N examples, D width of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError

Streams = Mapping[str, np.ndarray]  # name -> (T, D)

SHARE, LEAST = 0.25, 0.3  # chosen on a speaker outside of the training and test lists (docs/verbs.md)


@dataclass(frozen=True)
class Match:
    """A phrase, the distance of its nearest example, and its fit in [0, 1]: 1 where an example equals the clip, near 0
    where the phrase is as far away as any other."""

    phrase: str
    distance: float
    fit: float


def normalised(states: np.ndarray) -> np.ndarray:
    """States (T, D), each centred and scaled to length 1, so that distances compare directions."""
    centred = states - states.mean(1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)


def with_motion(points: np.ndarray) -> np.ndarray:
    """Points (T, D) minus their mean over the clip, joined by their motion: (T, 2 D)."""
    centred = points - points.mean(0)
    return np.concatenate([centred, 2 * np.gradient(centred, axis=0)], 1)


def warped(query: np.ndarray, examples: Sequence[np.ndarray]) -> np.ndarray:
    """Mean distance between ``query`` (T, D) and each example (U, D) along the best warping path, (N,).

    A step along both counts twice, so that every path of T and U frames has the same weight, T + U.
    """
    lengths = np.array([len(example) for example in examples])
    padded = np.zeros((len(examples), lengths.max(), query.shape[1]))
    for row, example in zip(padded, examples, strict=True):
        row[: len(example)] = example
    squares = (query**2).sum(-1)[:, None] + (padded**2).sum(-1)[:, None] - 2 * np.einsum("td,nud->ntu", query, padded)
    costs = np.sqrt(np.maximum(squares, 0))
    paths = np.full((len(examples), len(query) + 1, lengths.max() + 1), np.inf)
    paths[:, 0, 0] = 0
    for t, u in np.ndindex(len(query), lengths.max()):
        cost = costs[:, t, u]
        straight = np.minimum(paths[:, t, u + 1], paths[:, t + 1, u]) + cost
        paths[:, t + 1, u + 1] = np.minimum(paths[:, t, u] + 2 * cost, straight)
    return paths[np.arange(len(examples)), len(query), lengths] / (len(query) + lengths)


class Templates:
    """Examples of phrases, with which clips are compared.

    Args:
        examples: phrase -> its examples, which all have the same streams.

    Raises:
        VsrError: bad_text for fewer than two phrases.
    """

    def __init__(self, examples: Mapping[str, Sequence[Streams]]):
        self.labels = [phrase for phrase, streams in examples.items() for _ in streams]
        self.examples = [example for streams in examples.values() for example in streams]
        if len(set(self.labels)) < 2:
            raise VsrError("bad_text", "there is nothing to choose from: enrol at least two phrases")
        common = set.intersection(*(set(streams) for streams in self.examples))
        pairs = {name: self._pairs(name) for name in sorted(common)}
        others = np.array(self.labels)[:, None] != np.array(self.labels)
        self.scales = {name: max(float(np.median(distances[others])), 1e-6) for name, distances in pairs.items()}
        self._other_distances = np.mean([distances / self.scales[name] for name, distances in pairs.items()], axis=0)

    def _pairs(self, name: str) -> np.ndarray:
        """Distances between all examples, (N, N), in one stream."""
        streams = [example[name] for example in self.examples]
        return np.stack([warped(stream, streams) for stream in streams])

    def distances(self, query: Streams) -> np.ndarray:
        """Distances (N,) to the examples: means over the streams that clip and examples have in common."""
        names = [name for name in self.scales if name in query]
        distances = [
            warped(query[name], [example[name] for example in self.examples]) / self.scales[name] for name in names
        ]
        return np.mean(distances, axis=0)

    def ranked(self, query: Streams) -> list[Match]:
        """All phrases, nearest first."""
        nearest = self._nearest(self.distances(query))
        order = sorted(nearest, key=lambda phrase: nearest[phrase])
        return [Match(phrase, nearest[phrase], _fit(nearest, phrase)) for phrase in order]

    def _nearest(self, distances: np.ndarray) -> dict[str, float]:
        """The distance to the nearest example of each phrase."""
        labels = np.array(self.labels)
        return {phrase: float(distances[labels == phrase].min()) for phrase in dict.fromkeys(self.labels)}

    def threshold(self, share: float = SHARE, least: float = LEAST) -> float:
        """The fit above which ``share`` of the examples would be taken for another phrase if their own were not
        enrolled. Clips of no enrolled phrase are accepted about as often. ``least`` for fewer than three phrases."""
        if len(set(self.labels)) < 3:
            return least
        best = []
        for label, distances in zip(self.labels, self._other_distances, strict=True):
            nearest = {phrase: distance for phrase, distance in self._nearest(distances).items() if phrase != label}
            best.append(_fit(nearest, min(nearest, key=lambda phrase: nearest[phrase])))
        return float(np.quantile(best, 1 - share))


def _fit(nearest: Mapping[str, float], phrase: str) -> float:
    """1 - distance / median distance of the other phrases, clipped to [0, 1]."""
    others = float(np.median([distance for other, distance in nearest.items() if other != phrase]))
    return float(np.clip(1 - nearest[phrase] / max(others, 1e-6), 0, 1))
