"""Counts of how a recogniser confuses units, from its hypotheses for known texts, and noise drawn from these counts.

Units are phonemes, visemes or words. The channel is memoryless: each unit is kept, replaced or deleted, and units are
inserted, with the counted probabilities (Jelinek 1976).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError


@dataclass(frozen=True)
class Confusions:
    """Counts of a recogniser's errors.

    Args:
        read_as: unit of the reference -> unit in the hypothesis ("" for a deletion) -> count.
        inserted: unit -> count of its insertions.
        places: number of places where an insertion was possible.
    """

    read_as: Mapping[str, Mapping[str, int]]
    inserted: Mapping[str, int]
    places: int

    @property
    def rate(self) -> float:
        """Errors per unit of the references."""
        count = sum(sum(counts.values()) for counts in self.read_as.values())
        correct = sum(counts.get(unit, 0) for unit, counts in self.read_as.items())
        return (count - correct + sum(self.inserted.values())) / max(1, count)

    def draw(self, units: Sequence[str], rng: np.random.Generator, rate: float = 1.0) -> list[str]:
        """Units with the recogniser's errors, drawn at random; ``rate`` (0 ... 1) is the share of the errors made.

        A unit without counts is kept.
        """
        noisy: list[str] = []
        for unit in (*units, None):
            noisy += self._insertion(rng, rate)
            if unit is not None:
                read = _draw(self.read_as.get(unit) or {unit: 1}, rng) if rng.random() < rate else unit
                noisy += [read] if read else []
        return noisy

    def _insertion(self, rng: np.random.Generator, rate: float) -> list[str]:
        chance = rate * sum(self.inserted.values()) / max(1, self.places)
        return [_draw(self.inserted, rng)] if rng.random() < chance else []


def _draw(counts: Mapping[str, int], rng: np.random.Generator) -> str:
    return str(rng.choice(list(counts), p=np.array(list(counts.values())) / sum(counts.values())))


def counted_confusions(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Confusions:
    """Counts from pairs (units of the reference, units of the hypothesis), aligned with the fewest edits.

    A unit that was never correct gets one correct count, so that no error is certain. Raises VsrError bad_manifest
    without references.
    """
    import jiwer

    texts = [(" ".join(reference), " ".join(read)) for reference, read in pairs if reference]
    if not texts:
        raise VsrError("bad_manifest", "there are no readings with references to count confusions on")
    aligned = jiwer.process_words(*map(list, zip(*texts, strict=True)))
    read_as: dict[str, Counter[str]] = defaultdict(Counter)
    inserted: Counter[str] = Counter()
    for reference, read, chunks in zip(aligned.references, aligned.hypotheses, aligned.alignments, strict=True):
        for chunk in chunks:
            units = reference[chunk.ref_start_idx : chunk.ref_end_idx]
            hypothesis = read[chunk.hyp_start_idx : chunk.hyp_end_idx]
            if chunk.type == "insert":
                inserted.update(hypothesis)
            for place, unit in enumerate(units):
                read_as[unit][hypothesis[place] if place < len(hypothesis) else ""] += 1
    for unit, counts in read_as.items():
        counts.setdefault(unit, 1)
    return Confusions(dict(read_as), dict(inserted), sum(len(reference) + 1 for reference in aligned.references))
