"""What a comparison of arms prints: WER with its interval, and the paired gain over another arm or arms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vsr.core.errors import VsrError
from vsr.core.files import write_text
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
    rows = {name: [vars(own) for own in each] for name, each in lists.items()}
    write_text(Path(folder, FILE), json.dumps(rows))


def kept_scores(folder: str | Path) -> dict[str, list[UtteranceScore]]:
    """What `keep_scores` wrote there. Raises VsrError where it wrote nothing."""
    path = Path(folder, FILE)
    if not path.exists():
        raise VsrError("bad_options", f"{path} is not there: give the folder that a run has written")
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {name: [UtteranceScore(**row) for row in each] for name, each in rows.items()}


def against(before: str | Path, after: str | Path) -> Iterator[str]:
    """For each list of two runs both rates and the paired gain, a line each."""
    first, second = kept_scores(before), kept_scores(after)
    for name in [own for own in first if own in second]:
        one, two = first[name], second[name]
        gain, low, high = paired_gain(one, two)
        yield f"{name}: {rates(one)} -> {rates(two)}; better by {gain:.2f} ({low:.2f} to {high:.2f})"


def over_seeds(before: Sequence[str | Path], after: Sequence[str | Path]) -> Iterator[str]:
    """For each list of all runs, two arms with as many seeds, a line: each seed's WER, their mean, and the mean of the
    paired gains; clips are drawn for its interval, each with all of its seeds. Raises VsrError where the runs do not
    match."""
    if len(before) != len(after):
        raise VsrError("bad_options", f"{len(before)} runs against {len(after)}: give one of either for each seed")
    arms = [[kept_scores(folder) for folder in folders] for folders in (before, after)]
    for name in [own for own in arms[0][0] if all(own in run for arm in arms for run in arm)]:
        each = [[run[name] for run in arm] for arm in arms]
        ids = [[own.id for own in scores] for arm in each for scores in arm]
        if any(own != ids[0] for own in ids):
            raise VsrError("bad_options", f"{name}: the runs have scored different clips")
        gain, low, high = paired_gain(summed(each[0]), summed(each[1]))
        first, second = (
            f"{', '.join(f'{wer(own):.2f}' for own in arm)} (mean {np.mean([wer(own) for own in arm]):.2f})"
            for arm in each
        )
        count = f"{len(ids[0])} clips, {sum(own.words for own in each[0][0])} words"
        yield f"{name}, {count}: WER {first} -> {second}; better by {gain:.2f} ({low:.2f} to {high:.2f})"


def wer(each: Sequence[UtteranceScore]) -> float:
    """In %."""
    return 100 * sum(own.errors for own in each) / max(1, sum(own.words for own in each))


def summed(runs: Sequence[Sequence[UtteranceScore]]) -> list[UtteranceScore]:
    """Each clip's counts over all runs."""
    counts = ("words", "substitutions", "deletions", "insertions", "characters", "character_errors")
    return [
        replace(same[0], **{name: sum(getattr(own, name) for own in same) for name in counts})
        for same in zip(*runs, strict=True)
    ]


def gains(rows: Mapping[str, Sequence[UtteranceScore]], pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The paired gain of each second arm over the first, in points of WER with its 95 % interval, a line each."""
    for before, after in pairs:
        gain, low, high = paired_gain(rows[before], rows[after])
        yield f"{before} -> {after}: {gain:.2f} points of WER better [{low:.2f}, {high:.2f}]"
