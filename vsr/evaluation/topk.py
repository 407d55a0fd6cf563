"""Top-1 and top-5 accuracy of isolated words, as for LRW, with the number of scored clips and an interval."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import read_lines, write_lines
from vsr.text.normalise import lower

TOP = 5
HEADER = "| list | N scored | skipped | top-1 % | 95 % interval | top-5 % |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class WordScore:
    """One clip; ``rank`` is the place of the right word in the list of hypotheses, 0 if it is not listed."""

    id: str
    reference: str
    hypothesis: str
    rank: int


@dataclass(frozen=True)
class Accuracy:
    """A whole test list: shares of the scored clips whose word is first, and among the first five (None if no list has
    five hypotheses). ``listed``: the share of clips whose word is among the first ``places``, five or the length of the
    longest list."""

    top1: float
    top1_low: float
    top1_high: float
    top5: float | None
    scored: int
    skipped: int
    normaliser: str = "lower"
    listed: float = 0.0
    places: int = TOP

    def as_dict(self) -> dict:
        """Plain numbers for result.json."""
        return asdict(self)

    def __str__(self) -> str:
        within = f"  top-{self.places} {self.listed:.2%}" if self.places > 1 else ""
        return (
            f"top-1 {self.top1:.2%} [{self.top1_low:.2%}, {self.top1_high:.2%}]{within}  "
            f"scored {self.scored}  skipped {self.skipped}"
        )


def accuracy(
    references: Mapping[str, str], hypotheses: Mapping[str, Sequence[str]]
) -> tuple[Accuracy, list[WordScore]]:
    """Compare ``hypotheses`` (id -> words, likeliest first) with ``references`` (id -> word), both in lower case.

    A reference without a hypothesis counts as skipped. Raises VsrError if a hypothesis has no reference or there is
    nothing to score.
    """
    orphans = sorted(hypotheses.keys() - references.keys())
    if orphans:
        raise VsrError("bad_manifest", f"{len(orphans)} hypotheses have no reference, such as {orphans[0]}")
    scores = [
        _rank(key, lower(references[key]), [lower(word) for word in hypotheses[key]]) for key in sorted(hypotheses)
    ]
    if not scores:
        raise VsrError("bad_manifest", "nothing to score: no hypotheses")
    places = min(TOP, max(len(hypotheses[score.id]) for score in scores))
    first, listed = (sum(0 < score.rank <= count for score in scores) / len(scores) for count in (1, places))
    low, high = wilson_interval(round(first * len(scores)), len(scores))
    top5, skipped = listed if places == TOP else None, len(references) - len(scores)
    return Accuracy(first, low, high, top5, len(scores), skipped, listed=listed, places=places), scores


def _rank(clip_id: str, reference: str, hypotheses: list[str]) -> WordScore:
    rank = hypotheses.index(reference) + 1 if reference in hypotheses else 0
    return WordScore(clip_id, reference, hypotheses[0], rank)


def wilson_interval(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson 1927)."""
    share, weight = right / total, z * z / total
    middle = (share + weight / 2) / (1 + weight)
    half_width = z / (1 + weight) * math.sqrt(share * (1 - share) / total + weight / (4 * total))
    return max(0.0, middle - half_width), min(1.0, middle + half_width)


def read_ranked(path: str | Path) -> dict[str, list[str]]:
    """id -> words, likeliest first, from the JSONL that `vsr decode` writes with a model for isolated words.

    Raises VsrError naming the line.
    """
    ranked: dict[str, list[str]] = {}
    for number, line in read_lines(path):
        try:
            record = json.loads(line)
            key, words = record["id"], [hypothesis["text"] for hypothesis in record["nbest"]]
            if not words:
                raise ValueError
        except (ValueError, KeyError, TypeError) as error:
            raise VsrError("bad_manifest", f"{path}, line {number}: no hypothesis with id and nbest") from error
        if key in ranked:
            raise VsrError("bad_manifest", f"{path}, line {number}: the id {key} is there twice")
        ranked[key] = words
    return ranked


def write_ranks(path: str | Path, scores: list[WordScore]) -> None:
    """One line per clip: id, rank of the right word (0: not listed), reference, hypothesis."""
    rows = (f"{score.id}\t{score.rank}\t{score.reference}\t{score.hypothesis}" for score in scores)
    write_lines(path, ["id\trank\treference\thypothesis", *rows])


def row(name: str, s: dict) -> str:
    """One line of the table of RESULTS.md."""
    interval = f"{100 * s['top1_low']:.2f} - {100 * s['top1_high']:.2f}"
    top5 = "-" if s["top5"] is None else f"{100 * s['top5']:.2f}"
    return f"| {name} | {s['scored']} | {s['skipped']} | {100 * s['top1']:.2f} | {interval} | {top5} |"
