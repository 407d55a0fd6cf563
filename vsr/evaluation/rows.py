"""What a comparison of arms prints: WER with its interval, and the paired gain over another arm."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vsr.evaluation.combined import paired_gain
from vsr.evaluation.wer import UtteranceScore, bootstrap_interval

FILE = "scores.json"


def rates(each: Sequence[UtteranceScore]) -> str:
    """WER in %, with its 95 % interval over the clips."""
    low, high = bootstrap_interval(list(each))
    errors, words = sum(own.errors for own in each), sum(own.words for own in each)
    return f"WER {100 * errors / words:.2f} ({100 * low:.2f} - {100 * high:.2f}), {len(each)} clips, {words} words"


def keep_scores(folder: str | Path, lists: Mapping[str, Sequence[UtteranceScore]]) -> None:
    """Write the errors of each clip of some lists, for `against`."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    rows = {name: [vars(own) for own in each] for name, each in lists.items()}
    Path(folder, FILE).write_text(json.dumps(rows), encoding="utf-8")


def against(before: str | Path, after: str | Path) -> Iterator[str]:
    """For each list of two runs both rates and the paired gain, a line each."""
    first, second = (json.loads(Path(folder, FILE).read_text(encoding="utf-8")) for folder in (before, after))
    for name in [own for own in first if own in second]:
        one, two = ([UtteranceScore(**row) for row in rows[name]] for rows in (first, second))
        gain, low, high = paired_gain(one, two)
        yield f"{name}: {rates(one)} -> {rates(two)}; better by {gain:.2f} ({low:.2f} to {high:.2f})"


def print_gains(rows: Mapping[str, Sequence[UtteranceScore]], pairs: Iterable[tuple[str, str]]) -> None:
    """The paired gain of each second arm over the first, in points of WER with its 95 % interval."""
    for before, after in pairs:
        gain, low, high = paired_gain(rows[before], rows[after])
        print(f"{before} -> {after}: {gain:.2f} points of WER better [{low:.2f}, {high:.2f}]")
