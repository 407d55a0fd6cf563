"""System combination by log-linear scores of the paths of a confusion network.

A path's score is the weighted sum of its features: how many of its words each member agrees with, the members'
confidence in them, whether the path is a member's whole hypothesis, the numbers of empty slots and of words, and the
log-probabilities of language models. The best path is the answer; the probabilities of all paths (softmax) give its
words their confidence (Mangu et al. 2000). Weights are fitted to few expected word errors (as in MWER, Prabhavalkar et
al. 2018) on utterances with references.
Shapes: K paths of one utterance, F features.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError
from vsr.decoding.confusion import Slot, best_paths, network_of, text_of

PATHS = 20
STEPS, RATE = 400, 0.03  # of the fit: steps and learning rate of Adam
SCALE, HOLD = 10.0, 3e-3  # weights in the loss: of the word error rate, and of the distance from the start weights
LANGUAGE_WEIGHT = 0.1  # of each language model without a fit
FIRST, LANGUAGE, WORDS = 4.0, 0.3, 1.0  # start of a fit: the best member counts four votes, each of the others one


@dataclass(frozen=True)
class Reading:
    """One member's words of an utterance and its confidence in each (1 where it gives none)."""

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
    """Names of the features, in the order of the weights."""
    confidence = [f"sure_{place}" for place in range(members)] if confident else []
    whole = [f"own_{place}" for place in range(members)]
    return [*(f"member_{place}" for place in range(members)), *confidence, *whole, "empty", "words", *languages]


def start_weights(names: Sequence[str], languages: Sequence[str]) -> np.ndarray:
    """(F,) weights without a fit: equal votes, a bonus for the first member, which is the best, and a small weight of
    each language model, with a bonus per word that makes up for its preference for few words."""
    weights = {name: 1.0 for name in names if name.startswith("sure_" if "sure_0" in names else "member_")}
    weights |= {"own_0": 0.5} | dict.fromkeys(languages, LANGUAGE_WEIGHT)
    return np.array([weights.get(name, 0.0) for name in names]) + [
        (name == "words") * 1.5 * LANGUAGE_WEIGHT * len(languages) for name in names
    ]


def fit_start(names: Sequence[str], languages: Sequence[str]) -> np.ndarray:
    """(F,) weights that a fit starts from: a word of the first member gives way only where all other members and the
    language models are against it. A fit that starts from the first member's whole hypotheses would stay there, since
    no small step changes a word."""
    votes = [name for name in names if name.startswith(("member_", "sure_"))]
    kinds = len({name.partition("_")[0] for name in votes})
    weights = {name: (FIRST if name.endswith("_0") else 1.0) / kinds for name in votes}
    weights |= {name: LANGUAGE / len(languages) for name in languages} | {"words": WORDS if languages else 0.3}
    return np.array([weights.get(name, 0.0) for name in names])


def lattice_of(readings: Sequence[Reading], confident: bool, paths: int = PATHS) -> Lattice:
    """Network, paths and features without language models of one utterance; the paths include each member's reading."""
    slots = network_of([reading.words for reading in readings])
    confidences = _confidences(slots, readings)
    votes = [{word: 0.0 for word in slot} for slot in slots]
    for slot, values, choice in zip(slots, confidences, votes, strict=True):
        for place, (word, value) in enumerate(zip(slot, values, strict=True)):
            choice[word] += (value if confident and word else 1.0) * (1 - 1e-3 * place)  # ties: the earlier member
    member_paths = [tuple(slot[place] for slot in slots) for place in range(len(readings))]
    candidates = list(dict.fromkeys([*best_paths(votes, paths), *member_paths]))
    return Lattice(slots, candidates, np.array([_features(path, slots, confidences, confident) for path in candidates]))


def _confidences(slots: Sequence[Slot], readings: Sequence[Reading]) -> list[tuple[float, ...]]:
    """Each member's confidence in its word of each slot; where it has no word there, the mean over its words."""
    rest = [iter(reading.confidence) for reading in readings]
    mean = [float(np.mean(reading.confidence)) if reading.confidence else 1.0 for reading in readings]
    return [tuple(next(rest[p]) if word else mean[p] for p, word in enumerate(slot)) for slot in slots]


def _features(path: Sequence[str], slots: Sequence[Slot], confidences, confident: bool) -> list[float]:
    same = np.array([[vote == word for vote in slot] for word, slot in zip(path, slots, strict=True)], float)
    same = same.reshape(len(slots), -1)
    members = same.sum(0).tolist() if len(slots) else [0.0] * same.shape[1]
    weighed = (same * np.array(confidences)).sum(0).tolist() if confident and len(slots) else []
    whole = same.all(0).astype(float).tolist()
    return [*members, *weighed, *whole, float(sum(not word for word in path)), float(sum(bool(word) for word in path))]


def with_languages(lattice: Lattice, scores: Sequence[Sequence[float]]) -> Lattice:
    """The lattice with one more feature for each language model; ``scores`` has K log-probabilities of each."""
    columns = [np.asarray(column, float)[:, None] for column in scores]
    return Lattice(lattice.slots, lattice.paths, np.concatenate([lattice.features, *columns], 1))


def probabilities(lattice: Lattice, weights: np.ndarray) -> np.ndarray:
    """Probabilities (K,) of the paths; ``weights`` (F,)."""
    scores = lattice.features @ weights
    likelihoods = np.exp(scores - scores.max())
    return likelihoods / likelihoods.sum()


@dataclass(frozen=True)
class Word:
    """A word of the answer, its probability in its slot, and the share of the members that have it there."""

    word: str
    confidence: float
    agreement: float


def answer(lattice: Lattice, weights: np.ndarray) -> list[Word]:
    """The words of the best path."""
    path_probs = probabilities(lattice, weights)
    best = lattice.paths[int(path_probs.argmax())] if lattice.paths else ()
    words = []
    for place, (word, slot) in enumerate(zip(best, lattice.slots, strict=True)):
        probability = sum(p for path, p in zip(lattice.paths, path_probs, strict=True) if path[place] == word)
        if word:
            words.append(Word(word, min(1.0, float(probability)), slot.count(word) / len(slot)))
    return words


def fit(lattices: Sequence[Lattice], references: Sequence[Sequence[str]], start: np.ndarray) -> np.ndarray:
    """Weights (F,) that minimise the expected word errors against the references, held lightly to ``start``.

    Raises VsrError where there is nothing to fit on.
    """
    import torch

    if not lattices:
        raise VsrError("bad_manifest", "there is nothing to fit the weights on")
    features, errors, mask = _packed(lattices, references, len(start))
    origin = torch.from_numpy(start).float()
    weights = origin.clone().requires_grad_()
    optimiser = torch.optim.Adam([weights], lr=RATE)
    words = max(1, sum(map(len, references)))
    for _ in range(STEPS):
        path_probs = (features @ weights + mask).softmax(1)
        loss = SCALE * (path_probs * errors).sum() / words + HOLD * (weights - origin).square().sum()
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
    """A table of weights as a vector (F,). Raises VsrError if they are for other members, models or another method."""
    if set(weights) != set(names):
        raise VsrError("bad_config", f"the weights are of {described(weights)}, and this call has {described(names)}")
    return np.array([weights[name] for name in names], float)


def described(names: Iterable[str]) -> str:
    """What members, method and models a table of weights is for, in words."""
    names = list(names)
    members = sum(name.startswith("member_") for name in names)
    method = "votes by confidence" if "sure_0" in names else "plain votes"
    models = [name for name in names if name.split("_")[0] not in ("member", "sure", "own", "empty", "words")]
    return f"{members} members with {' and '.join([method, *models])}"
