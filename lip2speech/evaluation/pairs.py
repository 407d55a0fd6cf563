"""Two folders of voices, clip by clip: who is better, how often, and by how much (pairs of S2S-Arena, by metrics)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from lip2speech.evaluation.corpus import Outcome
from lip2speech.evaluation.heard_rates import NORMALISER
from lip2speech.evaluation.summary import COLUMNS, RESAMPLES
from vsr.data.manifest import Clip
from vsr.evaluation.wer import word_errors
from vsr.text.normalise import normaliser

LESS = ("mcd", "f0", "voicing", "offset_size_ms", "lse_d")  # the less of these, the better
UNORDERED = ("offset_ms",)  # neither more nor less is better
ERRORS = "ASR WER %"


@dataclass(frozen=True)
class Pair:
    """One figure of two rows over the same clips.

    a, b: means; low, high: 95 % interval of b - a, clips drawn in pairs; better: share of clips in which b is better,
    a tie counts half; n: clips that both rows have the figure of.
    """

    title: str
    a: float
    b: float
    low: float
    high: float
    better: float
    n: int


def pairs_of(clips: Sequence[Clip], first: Sequence[Outcome], second: Sequence[Outcome], asr: bool) -> list[Pair]:
    """The pairs of all figures that some clip has in both rows; outcomes by the order of the clips."""
    found = []
    for name, title, _ in COLUMNS:
        if name in UNORDERED:
            continue
        a, b = (np.array([_figure(own, name) for own in row]) for row in (first, second))
        both = np.isfinite(a) & np.isfinite(b)
        if both.any():
            found.append(pair(title, a[both], b[both], np.ones(both.sum()), -1 if name in LESS else 1))
    return found + ([_of_words(clips, first, second)] if asr else [])


def pair(title: str, a: np.ndarray, b: np.ndarray, size: np.ndarray, sign: int) -> Pair:
    """Of sums a and b (n,) of clips that count ``size`` (n,) each; ``sign``: 1 where more is better, else -1."""
    drawn = np.random.default_rng(0).integers(0, len(a), (RESAMPLES, len(a)))
    low, high = np.quantile((b - a)[drawn].sum(1) / size[drawn].sum(1), (0.025, 0.975))
    gain = sign * (b - a)
    better = float(((gain > 0) + 0.5 * (gain == 0)).mean())
    total = size.sum()
    return Pair(title, float(a.sum() / total), float(b.sum() / total), float(low), float(high), better, len(a))


def _figure(outcome: Outcome, name: str) -> float:
    return float(getattr(outcome.figures, name)) if outcome.figures else float("nan")


def _of_words(clips: Sequence[Clip], first: Sequence[Outcome], second: Sequence[Outcome]) -> Pair:
    """Of word errors, over the clips that have a text; unrecognised clips count as deleted words."""
    norm = normaliser(NORMALISER)
    each = [
        [word_errors(norm(clip.text), norm(own.heard)) for own in both]
        for clip, *both in zip(clips, first, second, strict=True)
        if clip.text.split()
    ]
    errors = 100.0 * np.array([[a, b] for (a, _), (b, _) in each])
    return pair(ERRORS, errors[:, 0], errors[:, 1], np.array([words for (_, words), _ in each], float), -1)


def pair_table(pairs: Sequence[Pair], names: tuple[str, str]) -> str:
    """The Markdown table."""
    a, b = names
    lines = [f"| | {a} | {b} | {b} - {a} (95 %) | clips in which {b} is better | N |", "|---|---|---|---|---|---|"]
    for own in pairs:
        digits = next((digits for _, title, digits in COLUMNS if title == own.title), 1)
        means = f"{own.a:.{digits}f} | {own.b:.{digits}f} | {own.b - own.a:+.{digits}f}"
        interval = f"({own.low:+.{digits}f}, {own.high:+.{digits}f})"
        lines.append(f"| {own.title} | {means} {interval} | {100 * own.better:.0f} % | {own.n} |")
    return "\n".join(lines)


def pair_records(pairs: Sequence[Pair]) -> list[dict]:
    """For JSON."""
    return [asdict(own) for own in pairs]
