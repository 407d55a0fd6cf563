"""BLEU (Papineni et al. 2002) and chrF (Popovic 2015) of translations, as sacrebleu computes them (Post 2018), with
sacrebleu's signature and a 95 % bootstrap interval over the clips."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vsr.core.errors import VsrError
from vsr.core.packages import required_package
from vsr.evaluation.bootstrap import RESAMPLES

METRICS = ("bleu", "chrf")
Statistics = Sequence[Sequence[float]]  # per clip; their sums give the figure of a list


@dataclass(frozen=True)
class TranslationScore:
    """The figure of a list from 0 to 100, its interval, numbers of scored and skipped clips; ``signature`` of the
    computation."""

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
    """Score id -> text; a reference without a hypothesis is skipped. BLEU counts words as tokenised by mteval-13a.

    Raises VsrError: bad_manifest for a hypothesis without reference, or none at all; missing_package; bad_options for
    another metric.
    """
    if orphans := sorted(hypotheses.keys() - references.keys()):
        raise VsrError("bad_manifest", f"{len(orphans)} hypotheses have no reference, such as {orphans[0]}")
    ids = sorted(hypotheses)
    if not ids:
        raise VsrError("bad_manifest", "nothing to score: there is no hypothesis")
    scorer = load_metric(metric)
    texts, targets = [hypotheses[i] for i in ids], [references[i] for i in ids]
    value = scorer.corpus_score(texts, [targets]).score
    low, high = _interval(scorer, statistics(scorer, texts, targets))
    skipped = len(references) - len(ids)
    return TranslationScore(metric, value, low, high, len(ids), skipped, str(scorer.get_signature()))


def load_metric(metric: str) -> Any:
    """sacrebleu's metric of that name. Raises VsrError."""
    if metric not in METRICS:
        raise VsrError("bad_options", f"unknown metric '{metric}'; known: {', '.join(METRICS)}")
    metrics = required_package("sacrebleu.metrics", f"the metric {metric}", "pip install sacrebleu")
    return metrics.BLEU() if metric == "bleu" else metrics.CHRF()


def statistics(metric: Any, texts: Sequence[str], references: Sequence[str]) -> list[list[float]]:
    """Statistics of each pair of texts, which add up to the figure of a list."""
    return metric._extract_corpus_statistics(list(texts), [list(references)])


def score_of_statistics(metric: Any, rows: Statistics) -> float:
    """The figure of a list whose clips have these statistics."""
    return float(metric._aggregate_and_compute(rows).score)


def _interval(scorer: Any, rows: Statistics, level: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Interval of the figure when clips are drawn with replacement (Koehn 2004)."""
    rng = random.Random(seed)
    values = sorted(score_of_statistics(scorer, rng.choices(rows, k=len(rows))) for _ in range(RESAMPLES))
    return _bounds(values, level)


def paired_gain(
    references: Mapping[str, str], before: Mapping[str, str], after: Mapping[str, str], metric: str = "bleu",
    seed: int = 0,
) -> tuple[float, float, float]:  # fmt: skip
    """(gain, low, high) of the figure from ``before`` to ``after`` on clips that both have, drawn in pairs."""
    ids, scorer, rng = sorted(before.keys() & after.keys()), load_metric(metric), random.Random(seed)
    targets = [references[i] for i in ids]
    rows = [statistics(scorer, [texts[i] for i in ids], targets) for texts in (before, after)]

    def gain(places: Sequence[int]) -> float:
        first, second = (score_of_statistics(scorer, [system[i] for i in places]) for system in rows)
        return second - first

    gains = sorted(gain(rng.choices(range(len(ids)), k=len(ids))) for _ in range(RESAMPLES))
    return gain(range(len(ids))), *_bounds(gains)


def _bounds(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    tail = (1 - level) / 2
    return values[int(tail * len(values))], values[int((1 - tail) * len(values)) - 1]
