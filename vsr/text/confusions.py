"""What a reader makes of each unit, counted on readings of known texts, and drawn again as noise.

Units are phonemes, visemes or words. The channel is memoryless: each unit is kept, replaced or left out, and units are
inserted, with the chances counted (Jelinek 1976).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vsr.core.errors import VsrError


@dataclass(frozen=True)
class Confusions:
    """Counts of a reader's errors.

    Args:
        read_as: unit -> what was read in its place ("" for nothing) -> how often.
        inserted: unit -> how often it was read where nothing is.
        places: how many places there were for an insertion.
    """

    read_as: Mapping[str, Mapping[str, int]]
    inserted: Mapping[str, int]
    places: int

    @property
    def rate(self) -> float:
        """Errors for each unit of the references."""
        count = sum(sum(own.values()) for own in self.read_as.values())
        right = sum(own.get(unit, 0) for unit, own in self.read_as.items())
        return (count - right + sum(self.inserted.values())) / max(1, count)

    def draw(self, units: Sequence[str], rng: np.random.Generator, rate: float = 1.0) -> list[str]:
        """Units as the reader might have read them; ``rate`` (0 ... 1) is the share of the errors that are made.

        A unit that was never seen is kept.
        """
        found: list[str] = []
        for unit in (*units, None):
            found += self._insertion(rng, rate)
            if unit is not None:
                said = _drawn(self.read_as.get(unit) or {unit: 1}, rng) if rng.random() < rate else unit
                found += [said] if said else []
        return found

    def _insertion(self, rng: np.random.Generator, rate: float) -> list[str]:
        chance = rate * sum(self.inserted.values()) / max(1, self.places)
        return [_drawn(self.inserted, rng)] if rng.random() < chance else []


def _drawn(counts: Mapping[str, int], rng: np.random.Generator) -> str:
    return str(rng.choice(list(counts), p=np.array(list(counts.values())) / sum(counts.values())))


def counted_confusions(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Confusions:
    """Of pairs (units of the reference, units that were read), aligned by the fewest edits.

    A unit with errors only keeps one count of being right, so that no noise is certain. Raises VsrError bad_manifest
    where there is no reference.
    """
    import jiwer

    kept = [(" ".join(reference), " ".join(read)) for reference, read in pairs if reference]
    if not kept:
        raise VsrError("bad_manifest", "there are no readings with references to count confusions on")
    aligned = jiwer.process_words(*map(list, zip(*kept, strict=True)))
    read_as: dict[str, Counter[str]] = defaultdict(Counter)
    inserted: Counter[str] = Counter()
    for reference, read, chunks in zip(aligned.references, aligned.hypotheses, aligned.alignments, strict=True):
        for chunk in chunks:
            own = reference[chunk.ref_start_idx : chunk.ref_end_idx]
            said = read[chunk.hyp_start_idx : chunk.hyp_end_idx]
            if chunk.type == "insert":
                inserted.update(said)
            for place, unit in enumerate(own):
                read_as[unit][said[place] if place < len(said) else ""] += 1
    for unit, counts in read_as.items():
        counts.setdefault(unit, 1)
    return Confusions(dict(read_as), dict(inserted), sum(len(own) + 1 for own in aligned.references))
