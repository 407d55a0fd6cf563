"""Combine the hypotheses of several systems for the same utterances: files, weights, language models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.files import read_json, write_json
from vsr.core.numbers import is_number
from vsr.decoding.combination import (
    Lattice,
    Reading,
    answer,
    feature_names,
    fit,
    fit_start,
    lattice_of,
    start_weights,
    weights_in_order,
    with_languages,
)

Scorer = Callable[[Sequence[Sequence[str]]], Sequence[float]]  # texts (lists of words) -> log-probabilities
Shown = Callable[[Sequence[str], Sequence[Sequence[str]]], Sequence[float]]  # the same, given the members' texts


@dataclass(frozen=True)
class Combiner:
    """How hypotheses are combined.

    Args:
        members: number of systems, which are ordered best first.
        confident: whether a member's vote is weighted by its confidence in the word.
        languages: name of a language model -> its log-probabilities of texts.
        shown: name of a model that reads all members' hypotheses -> its log-probabilities of texts, given these.
        weights: (F,) of the features; None for those of `start_weights`.
    """

    members: int
    confident: bool = False
    languages: Mapping[str, Scorer] = field(default_factory=dict)
    shown: Mapping[str, Shown] = field(default_factory=dict)
    weights: np.ndarray | None = None

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return feature_names(self.members, self.scored, self.confident)

    @property
    def scored(self) -> list[str]:
        """Names of the models that give log-probabilities."""
        return [*self.languages, *self.shown]

    @property
    def weights_in_use(self) -> np.ndarray:
        """(F,) the weights."""
        return start_weights(self.names, self.scored) if self.weights is None else self.weights

    def lattice(self, readings: Sequence[Reading]) -> Lattice:
        """The paths of one utterance with all features."""
        lattice = lattice_of(readings, self.confident)
        texts = [text.split() for text in lattice.texts()]
        read = [" ".join(reading.words) for reading in readings]
        scores = [scorer(texts) for scorer in self.languages.values()]
        return with_languages(lattice, [*scores, *(scorer(read, texts) for scorer in self.shown.values())])

    def record(self, key: str, lattice: Lattice) -> dict:
        """A line of JSON: id, text, confidence, words with confidence and agreement."""
        words = answer(lattice, self.weights_in_use)
        confidence = float(np.mean([word.confidence for word in words])) if words else 0.0
        text = " ".join(word.word for word in words)
        return {"id": key, "text": text, "confidence": confidence, "words": [vars(word) for word in words]}

    def fitted(self, lattices: Sequence[Lattice], references: Sequence[Sequence[str]]) -> Combiner:
        """The combiner with weights fitted to utterances with references. Raises VsrError where there are none."""
        weights = fit(lattices, references, fit_start(self.names, self.scored))
        return replace(self, weights=weights)

    def save(self, path: str | Path) -> None:
        """Write the weights, by name."""
        write_json(path, {"weights": dict(zip(self.names, self.weights_in_use.tolist(), strict=True))})

    def with_weights_of(self, path: str | Path) -> Combiner:
        """The combiner with the weights of a file. Raises VsrError if they are for other members or language models."""
        try:
            table = read_json(path)
        except ValueError:
            table = None
        values = table.get("weights") if isinstance(table, dict) else None
        if not isinstance(values, dict) or not all(map(is_number, values.values())):
            raise VsrError("bad_config", f"{path} holds no weights of vsr combine --fit")
        try:
            return replace(self, weights=weights_in_order(values, self.names))
        except VsrError as error:
            raise VsrError(error.reason, f"{path}: {error}") from error


def readings_of(files: Sequence[Mapping[str, dict]], names: Sequence[str], norm: Callable) -> dict[str, list[Reading]]:
    """Utterance id -> each member's reading, from the records of `vsr.evaluation.wer.read_records`.

    Raises VsrError where there are fewer than two members, or a member has other utterances than the first.
    """
    if len(files) < 2:
        raise VsrError("bad_manifest", "one list of hypotheses is nothing to combine: give two or more")
    for name, records in zip(names[1:], files[1:], strict=True):
        missing, more = files[0].keys() - records.keys(), records.keys() - files[0].keys()
        if missing or more:
            where, lacks = (name, missing) if missing else (names[0], more)
            raise VsrError("bad_manifest", f"{where} lacks {len(lacks)} utterances of the others, such as {min(lacks)}")
    return {key: [reading_of(records[key], norm) for records in files] for key in sorted(files[0])}


def check_confident(files: Sequence[Mapping[str, dict]], names: Sequence[str]) -> None:
    """Raises VsrError for a member without confidences, of another toolkit, say: each of its words would count 1."""
    for name, records in zip(names, files, strict=True):
        entries = (entry for record in records.values() for entry in (record, *_words(record)))
        if not any(is_number(record.get("confidence")) for record in entries):
            problem = f"{name} has no confidence, and would count as sure of each word"
            raise VsrError("bad_manifest", f"{problem}: leave it out, or give --method vote")


def _words(record: Mapping) -> list[dict]:
    """The word entries of a record, [] where it lists none."""
    words = record.get("words")
    return words if isinstance(words, list) and all(isinstance(word, dict) and "word" in word for word in words) else []


def reading_of(record: Mapping, norm: Callable) -> Reading:
    """Words and confidences of a record: those of its `words`, else its `confidence` for each word, else 1."""
    if words := _words(record):
        pairs = [(part, _share(word.get("confidence"))) for word in words for part in norm(str(word["word"])).split()]
    else:
        pairs = [(part, _share(record.get("confidence"))) for part in norm(record["text"]).split()]
    return Reading(tuple(word for word, _ in pairs), tuple(share for _, share in pairs))


def _share(value: object) -> float:
    return min(1.0, max(0.0, float(value))) if isinstance(value, (int, float)) else 1.0
