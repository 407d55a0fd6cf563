"""Lines that compare arms of an experiment: WER with its interval, and the paired gain over another arm."""

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


def rates(scores: Sequence[UtteranceScore]) -> str:
    """WER in % with its 95 % interval over the clips."""
    low, high = bootstrap_interval(list(scores))
    errors, words = sum(utterance.errors for utterance in scores), sum(utterance.words for utterance in scores)
    return f"WER {100 * errors / words:.2f} ({100 * low:.2f} - {100 * high:.2f}), {len(scores)} clips, {words} words"


def write_scores(folder: str | Path, lists: Mapping[str, Sequence[UtteranceScore]]) -> None:
    """Write the errors of each clip of some lists, for `against`."""
    rows = {name: [vars(utterance) for utterance in scores] for name, scores in lists.items()}
    write_text(Path(folder, FILE), json.dumps(rows))


def read_scores(folder: str | Path) -> dict[str, list[UtteranceScore]]:
    """The scores that `write_scores` wrote to a folder. Raises VsrError if there are none."""
    path = Path(folder, FILE)
    if not path.exists():
        raise VsrError("bad_options", f"{path} is not there: give the folder that a run has written")
    rows = json.loads(path.read_text(encoding="utf-8"))
    return {name: [UtteranceScore(**row) for row in scores] for name, scores in rows.items()}


def against(before: str | Path, after: str | Path) -> Iterator[str]:
    """For each list of two runs a line with both rates and the paired gain."""
    first, second = read_scores(before), read_scores(after)
    for name in [name for name in first if name in second]:
        old, new = first[name], second[name]
        gain, low, high = paired_gain(old, new)
        yield f"{name}: {rates(old)} -> {rates(new)}; better by {gain:.2f} ({low:.2f} to {high:.2f})"


def over_seeds(before: Sequence[str | Path], after: Sequence[str | Path]) -> Iterator[str]:
    """A line for each list of two arms with as many seeds: each seed's WER, their mean, and the mean of the paired
    gains; its interval draws clips, each with all of its seeds. Raises VsrError if the runs do not match."""
    if len(before) != len(after):
        raise VsrError("bad_options", f"{len(before)} runs against {len(after)}: give one of either for each seed")
    arms = [[read_scores(folder) for folder in folders] for folders in (before, after)]
    for name in [name for name in arms[0][0] if all(name in run for arm in arms for run in arm)]:
        scores = [[run[name] for run in arm] for arm in arms]
        ids = [[utterance.id for utterance in run] for arm in scores for run in arm]
        if any(run_ids != ids[0] for run_ids in ids):
            raise VsrError("bad_options", f"{name}: the runs have scored different clips")
        gain, low, high = paired_gain(summed(scores[0]), summed(scores[1]))
        first, second = (
            f"{', '.join(f'{wer(run):.2f}' for run in arm)} (mean {np.mean([wer(run) for run in arm]):.2f})"
            for arm in scores
        )
        count = f"{len(ids[0])} clips, {sum(utterance.words for utterance in scores[0][0])} words"
        yield f"{name}, {count}: WER {first} -> {second}; better by {gain:.2f} ({low:.2f} to {high:.2f})"


def wer(scores: Sequence[UtteranceScore]) -> float:
    """WER in %."""
    return 100 * sum(utterance.errors for utterance in scores) / max(1, sum(utterance.words for utterance in scores))


def summed(runs: Sequence[Sequence[UtteranceScore]]) -> list[UtteranceScore]:
    """Scores of each clip with counts summed over all runs."""
    counts = ("words", "substitutions", "deletions", "insertions", "characters", "character_errors")
    return [
        replace(utterances[0], **{name: sum(getattr(utterance, name) for utterance in utterances) for name in counts})
        for utterances in zip(*runs, strict=True)
    ]


def gains(rows: Mapping[str, Sequence[UtteranceScore]], pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The paired gain of each second arm over the first, in points of WER with its 95 % interval, one line each."""
    for before, after in pairs:
        gain, low, high = paired_gain(rows[before], rows[after])
        yield f"{before} -> {after}: {gain:.2f} points of WER better [{low:.2f}, {high:.2f}]"
