"""Paired comparison of two folders of voices, clip by clip (pairs as in S2S-Arena, by metrics instead of listeners)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from lip2speech.evaluation.asr_error_rates import NORMALISER
from lip2speech.evaluation.corpus import Outcome
from lip2speech.evaluation.summary import COLUMNS, RESAMPLES
from vsr.data.manifest import Clip
from vsr.evaluation.wer import word_errors
from vsr.text.normalise import normaliser

LESS = ("mcd", "f0", "voicing", "offset_size_ms", "lse_d")  # lower is better
UNORDERED = ("offset_ms",)  # neither higher nor lower is better
ERRORS = "ASR WER %"


@dataclass(frozen=True)
class Pair:
    """One figure of two rows over the same clips.

    a, b: means; low, high: 95 % interval of b - a, paired bootstrap over clips; better: share of clips in which b is
    better, a tie counts half; n: clips that have the figure in both rows.
    """

    title: str
    a: float
    b: float
    low: float
    high: float
    better: float
    n: int


def pairs_of(clips: Sequence[Clip], first: Sequence[Outcome], second: Sequence[Outcome], asr: bool) -> list[Pair]:
    """The pairs of all figures that at least one clip has in both rows; outcomes are in the order of the clips."""
    pairs = []
    for name, title, _ in COLUMNS:
        if name in UNORDERED:
            continue
        a, b = (np.array([_figure(outcome, name) for outcome in row]) for row in (first, second))
        has_both = np.isfinite(a) & np.isfinite(b)
        if has_both.any():
            pairs.append(pair(title, a[has_both], b[has_both], np.ones(has_both.sum()), -1 if name in LESS else 1))
    return pairs + ([_of_words(clips, first, second)] if asr else [])


def pair(title: str, a: np.ndarray, b: np.ndarray, size: np.ndarray, sign: int) -> Pair:
    """The pair of sums a and b (n,) per clip, with weights ``size`` (n,); ``sign``: 1 where higher is better, else
    -1."""
    samples = np.random.default_rng(0).integers(0, len(a), (RESAMPLES, len(a)))
    low, high = np.quantile((b - a)[samples].sum(1) / size[samples].sum(1), (0.025, 0.975))
    gain = sign * (b - a)
    better = float(((gain > 0) + 0.5 * (gain == 0)).mean())
    total = size.sum()
    return Pair(title, float(a.sum() / total), float(b.sum() / total), float(low), float(high), better, len(a))


def _figure(outcome: Outcome, name: str) -> float:
    return float(getattr(outcome.figures, name)) if outcome.figures else float("nan")


def _of_words(clips: Sequence[Clip], first: Sequence[Outcome], second: Sequence[Outcome]) -> Pair:
    """The pair of word error rates over the clips that have a text; unrecognised clips count as deleted words."""
    norm = normaliser(NORMALISER)
    errors_and_words = [
        [word_errors(norm(clip.text), norm(outcome.heard)) for outcome in outcomes]
        for clip, *outcomes in zip(clips, first, second, strict=True)
        if clip.text.split()
    ]
    errors = 100.0 * np.array([[a, b] for (a, _), (b, _) in errors_and_words])
    return pair(ERRORS, errors[:, 0], errors[:, 1], np.array([words for (_, words), _ in errors_and_words], float), -1)


def pair_table(pairs: Sequence[Pair], names: tuple[str, str]) -> str:
    """The Markdown table of pairs."""
    a, b = names
    lines = [f"| | {a} | {b} | {b} - {a} (95 %) | clips in which {b} is better | N |", "|---|---|---|---|---|---|"]
    for figure in pairs:
        digits = next((digits for _, title, digits in COLUMNS if title == figure.title), 1)
        means = f"{figure.a:.{digits}f} | {figure.b:.{digits}f} | {figure.b - figure.a:+.{digits}f}"
        interval = f"({figure.low:+.{digits}f}, {figure.high:+.{digits}f})"
        lines.append(f"| {figure.title} | {means} {interval} | {100 * figure.better:.0f} % | {figure.n} |")
    return "\n".join(lines)


def pair_records(pairs: Sequence[Pair]) -> list[dict]:
    """The pairs as dictionaries, for JSON."""
    return [asdict(figure) for figure in pairs]
