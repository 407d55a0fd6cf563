"""What a comparison of arms prints: WER with its interval, and the paired gain over another arm."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vsr.core.files import read_json
from vsr.evaluation.combined import paired_gain
from vsr.evaluation.wer import UtteranceScore, bootstrap_interval

NAME = "test.json"


def rate(each: Sequence[UtteranceScore]) -> str:
    """WER in %."""
    return f"WER {100 * sum(own.errors for own in each) / sum(own.words for own in each):.2f}"


def keep_and_compare(out: str | Path, each: Sequence[UtteranceScore], against: str | Path | None = None) -> None:
    """Write the scores of a test list to ``out``/test.json; print WER, and the gain over the run in ``against``."""
    Path(out).mkdir(parents=True, exist_ok=True)
    Path(out, NAME).write_text(json.dumps([vars(own) for own in each]), encoding="utf-8")
    low, high = bootstrap_interval(list(each))
    words = sum(own.words for own in each)
    print(f"test {rate(each)} ({100 * low:.2f} - {100 * high:.2f}), {len(each)} clips, {words} words")
    if against:
        mean, low, high = paired_gain([UtteranceScore(**row) for row in read_json(Path(against, NAME))], each)
        print(f"better than {against} by {mean:.2f} points ({low:.2f} to {high:.2f})")


def print_gains(rows: Mapping[str, Sequence[UtteranceScore]], pairs: Iterable[tuple[str, str]]) -> None:
    """The paired gain of each second arm over the first, in points of WER with its 95 % interval."""
    for before, after in pairs:
        gain, low, high = paired_gain(rows[before], rows[after])
        print(f"{before} -> {after}: {gain:.2f} points of WER better [{low:.2f}, {high:.2f}]")
