"""System combination: the paths of a confusion network are scored log-linearly.

A path's score is a sum of features times weights: how many of its words each member has there, how sure the members are
of them, whether it is a member's whole hypothesis, slots without a word, words, and the log-probabilities of language
models. The best path is the answer; the probabilities of all (softmax) give its words their confidence (Mangu et al.
2000). Weights are fitted by the expected word errors (as MWER, Prabhavalkar et al. 2018) of utterances with references.
Shapes: K paths of one utterance, F features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError
from vsr.decoding.confusion import Slot, best_paths, network_of, text_of

PATHS = 20
STEPS, RATE = 400, 0.03  # of the fit: Adam's steps and its rate
SCALE, HOLD = 10.0, 3e-3  # of the word error rate in the loss, and of how firmly weights keep to their start
LANGUAGE_WEIGHT = 0.1  # where nothing is fitted
FIRST, LANGUAGE, WORDS = 4.0, 0.3, 1.0  # where a fit begins: the best member against a vote each of the others


@dataclass(frozen=True)
class Reading:
    """One member's words of an utterance and how sure it is of each (1 where it does not say)."""

    words: tuple[str, ...]
    confidence: tuple[float, ...]


@dataclass(frozen=True)
class Lattice:
    """The confusion network of an utterance, its best paths (words, "" for none) and their features (K, F)."""

    slots: list[Slot]
    paths: list[tuple[str, ...]]
    features: np.ndarray

    def texts(self) -> list[str]:
        """Each path as text."""
        return [text_of(path) for path in self.paths]


def feature_names(members: int, languages: Sequence[str], confident: bool) -> list[str]:
    """What the weights of a file are of."""
    sure = [f"sure_{place}" for place in range(members)] if confident else []
    own = [f"own_{place}" for place in range(members)]
    return [*(f"member_{place}" for place in range(members)), *sure, *own, "empty", "words", *languages]


def start_weights(names: Sequence[str], languages: Sequence[str]) -> np.ndarray:
    """(F,) weights before any fit: equal votes, a little more for the first member, who is the best, a little of each
    language model, whose preference for few words is made up for."""
    weights = {name: 1.0 for name in names if name.startswith("sure_" if "sure_0" in names else "member_")}
    weights |= {"own_0": 0.5} | dict.fromkeys(languages, LANGUAGE_WEIGHT)
    return np.array([weights.get(name, 0.0) for name in names]) + [
        (name == "words") * 1.5 * LANGUAGE_WEIGHT * len(languages) for name in names
    ]


def fit_start(names: Sequence[str], languages: Sequence[str]) -> np.ndarray:
    """(F,) weights that a fit begins at: single words of the first member give way where all others and the language
    models are against them. Begun at its whole hypotheses a fit stays there, since no small step changes a word."""
    votes = [name for name in names if name.startswith(("member_", "sure_"))]
    kinds = len({name.partition("_")[0] for name in votes})
    weights = {name: (FIRST if name.endswith("_0") else 1.0) / kinds for name in votes}
    weights |= {name: LANGUAGE / len(languages) for name in languages} | {"words": WORDS if languages else 0.3}
    return np.array([weights.get(name, 0.0) for name in names])


def lattice_of(readings: Sequence[Reading], confident: bool, paths: int = PATHS) -> Lattice:
    """Network and paths of one utterance; the paths hold each member's own reading. Features without languages."""
    slots = network_of([reading.words for reading in readings])
    sure = _confidences(slots, readings)
    votes = [{word: 0.0 for word in slot} for slot in slots]
    for slot, chances, choice in zip(slots, sure, votes, strict=True):
        for place, (word, chance) in enumerate(zip(slot, chances, strict=True)):
            choice[word] += (chance if confident and word else 1.0) * (1 - 1e-3 * place)  # ties: the earlier member
    own = [tuple(slot[place] for slot in slots) for place in range(len(readings))]
    found = list(dict.fromkeys([*best_paths(votes, paths), *own]))
    return Lattice(slots, found, np.array([_features(path, slots, sure, confident) for path in found]))


def _confidences(slots: Sequence[Slot], readings: Sequence[Reading]) -> list[tuple[float, ...]]:
    """What each member's word in each slot is sure of; the mean of the member's words where it has none."""
    rest = [iter(reading.confidence) for reading in readings]
    mean = [float(np.mean(reading.confidence)) if reading.confidence else 1.0 for reading in readings]
    return [tuple(next(rest[p]) if word else mean[p] for p, word in enumerate(slot)) for slot in slots]


def _features(path: Sequence[str], slots: Sequence[Slot], sure, confident: bool) -> list[float]:
    same = np.array([[own == word for own in slot] for word, slot in zip(path, slots, strict=True)], float)
    same = same.reshape(len(slots), -1)
    members = same.sum(0).tolist() if len(slots) else [0.0] * same.shape[1]
    weighed = (same * np.array(sure)).sum(0).tolist() if confident and len(slots) else []
    own = same.all(0).astype(float).tolist()
    return [*members, *weighed, *own, float(sum(not word for word in path)), float(sum(bool(word) for word in path))]


def with_languages(lattice: Lattice, scores: Sequence[Sequence[float]]) -> Lattice:
    """A lattice with a feature more for each language model: K log-probabilities."""
    columns = [np.asarray(own, float)[:, None] for own in scores]
    return Lattice(lattice.slots, lattice.paths, np.concatenate([lattice.features, *columns], 1))


def probabilities(lattice: Lattice, weights: np.ndarray) -> np.ndarray:
    """Of the K paths; ``weights`` (F,)."""
    scores = lattice.features @ weights
    chances = np.exp(scores - scores.max())
    return chances / chances.sum()


@dataclass(frozen=True)
class Word:
    """A word of the answer: the probability of its slot's word, and the share of the members that have it there."""

    word: str
    confidence: float
    agreement: float


def answer(lattice: Lattice, weights: np.ndarray) -> list[Word]:
    """The words of the best path."""
    chances = probabilities(lattice, weights)
    best = lattice.paths[int(chances.argmax())] if lattice.paths else ()
    found = []
    for place, (word, slot) in enumerate(zip(best, lattice.slots, strict=True)):
        chance = sum(chance for path, chance in zip(lattice.paths, chances, strict=True) if path[place] == word)
        if word:
            found.append(Word(word, min(1.0, float(chance)), slot.count(word) / len(slot)))
    return found


def fit(lattices: Sequence[Lattice], references: Sequence[Sequence[str]], start: np.ndarray) -> np.ndarray:
    """Weights (F,) that make the expected word errors of the references few, held lightly to ``start``.

    Raises VsrError where there is nothing to fit on.
    """
    import torch

    if not lattices:
        raise VsrError("bad_manifest", "there is nothing to fit the weights on")
    features, errors, mask = _packed(lattices, references, len(start))
    begun = torch.from_numpy(start).float()
    weights = begun.clone().requires_grad_()
    optimiser = torch.optim.Adam([weights], lr=RATE)
    words = max(1, sum(map(len, references)))
    for _ in range(STEPS):
        chances = (features @ weights + mask).softmax(1)
        loss = SCALE * (chances * errors).sum() / words + HOLD * (weights - begun).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return weights.detach().double().numpy()


def _packed(lattices: Sequence[Lattice], references: Sequence[Sequence[str]], size: int) -> tuple:
    """Features (U, K, F), word errors (U, K), and -inf (U, K) where an utterance has no such path."""
    import torch

    most = max(len(lattice.paths) for lattice in lattices)
    features = torch.zeros(len(lattices), most, size)
    errors, mask = torch.zeros(len(lattices), most), torch.full((len(lattices), most), float("-inf"))
    for row, (lattice, reference) in enumerate(zip(lattices, references, strict=True)):
        count = len(lattice.paths)
        features[row, :count] = torch.from_numpy(lattice.features).float()
        errors[row, :count] = torch.tensor([float(edits(reference, text.split())) for text in lattice.texts()])
        mask[row, :count] = 0
    return features, errors, mask


def edits(reference: Sequence[str], words: Sequence[str]) -> int:
    """Substitutions, deletions and insertions between two lists of words."""
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(reference, words)


def weights_in_order(weights: Mapping[str, float], names: Sequence[str]) -> np.ndarray:
    """The vector of a table of weights. Raises VsrError where they are of other members, models or another method."""
    if set(weights) != set(names):
        raise VsrError("bad_config", f"the weights are of {described(weights)}, and this call has {described(names)}")
    return np.array([weights[name] for name in names], float)


def described(names: Iterable[str]) -> str:
    """What a table of weights is of, in words."""
    names = list(names)
    members = sum(name.startswith("member_") for name in names)
    method = "votes by confidence" if "sure_0" in names else "plain votes"
    models = [name for name in names if name.split("_")[0] not in ("member", "sure", "own", "empty", "words")]
    return f"{members} members with {' and '.join([method, *models])}"
