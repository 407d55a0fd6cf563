"""BLEU (Papineni et al. 2002) and chrF (Popovic 2015) of translations, as sacrebleu computes them (Post 2018), with its
signature, the brevity, and a 95 % interval by bootstrap over the clips."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vsr.core.errors import VsrError
from vsr.core.packages import needed
from vsr.evaluation.bootstrap import RESAMPLES

METRICS = ("bleu", "chrf")
Statistics = Sequence[Sequence[float]]  # of each clip, that are summed over a list


@dataclass(frozen=True)
class TranslationScore:
    """The figure of a list from 0 to 100, its interval, clips that were scored and left out; ``signature`` says how."""

    metric: str
    value: float
    low: float
    high: float
    scored: int
    skipped: int
    signature: str

    def as_dict(self) -> dict:
        """Plain numbers for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        name = {"bleu": "BLEU", "chrf": "chrF"}[self.metric]
        return (
            f"{name} {self.value:.2f} [{self.low:.2f}, {self.high:.2f}]  scored {self.scored}  "
            f"skipped {self.skipped}  {self.signature}"
        )


def score_translations(
    references: Mapping[str, str], hypotheses: Mapping[str, str], metric: str = "bleu"
) -> TranslationScore:
    """Score id -> text; a reference without hypothesis is skipped. BLEU counts words as mteval-13a takes texts apart.

    Raises VsrError: bad_manifest for a hypothesis without reference, or none at all; missing_package; bad_options for
    another metric.
    """
    if orphans := sorted(hypotheses.keys() - references.keys()):
        raise VsrError("bad_manifest", f"{len(orphans)} hypotheses have no reference, such as {orphans[0]}")
    ids = sorted(hypotheses)
    if not ids:
        raise VsrError("bad_manifest", "nothing to score: there is no hypothesis")
    counted = opened(metric)
    texts, true = [hypotheses[i] for i in ids], [references[i] for i in ids]
    value = counted.corpus_score(texts, [true]).score
    low, high = _interval(counted, statistics(counted, texts, true))
    skipped = len(references) - len(ids)
    return TranslationScore(metric, value, low, high, len(ids), skipped, str(counted.get_signature()))


def opened(metric: str) -> Any:
    """sacrebleu's metric of that name. Raises VsrError."""
    if metric not in METRICS:
        raise VsrError("bad_options", f"unknown metric '{metric}'; known: {', '.join(METRICS)}")
    found = needed("sacrebleu.metrics", f"the metric {metric}", "pip install sacrebleu")
    return found.BLEU() if metric == "bleu" else found.CHRF()


def statistics(counted: Any, texts: Sequence[str], true: Sequence[str]) -> list[list[float]]:
    """What each pair adds to the figure of a list."""
    return counted._extract_corpus_statistics(list(texts), [list(true)])


def of_statistics(counted: Any, rows: Statistics) -> float:
    """The figure of a list whose clips have these statistics."""
    return float(counted._aggregate_and_compute(rows).score)


def _interval(counted: Any, rows: Statistics, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Of the figure when clips are drawn with replacement (Koehn 2004)."""
    rng = random.Random(seed)
    found = sorted(of_statistics(counted, rng.choices(rows, k=len(rows))) for _ in range(RESAMPLES))
    return _bounds(found, level)


def paired_gain(
    references: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str], metric: str = "bleu",
    seed: int = 0,
) -> tuple[float, float, float]:  # fmt: skip
    """(gain, low, high) of the figure from ``before`` to ``after`` on the clips of both, drawn together."""
    ids, counted, rng = sorted(before.keys() & after.keys()), opened(metric), random.Random(seed)
    true = [references[i] for i in ids]
    rows = [statistics(counted, [own[i] for i in ids], true) for own in (before, after)]

    def gain(places: Sequence[int]) -> float:
        first, second = (of_statistics(counted, [own[i] for i in places]) for own in rows)
        return second - first

    found = sorted(gain(rng.choices(range(len(ids)), k=len(ids))) for _ in range(RESAMPLES))
    return gain(range(len(ids))), *_bounds(found)


def _bounds(found: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    tail = (1 - level) / 2
    return found[int(tail * len(found))], found[int((1 - tail) * len(found)) - 1]
