"""Measure adaptation to a person by cross-validation: each clip is read by a model adapted to the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vsr.data.manifest import Clip
from vsr.decoding.corpus import records_of
from vsr.decoding.defaults import options_for
from vsr.decoding.encoding import lips_alone
from vsr.evaluation.wer import Score, score
from vsr.modelstore.folder import LoadedModel

FEWEST = 4  # clips, so that each fold adapts to at least two


@dataclass(frozen=True)
class Gain:
    """Word error rates of the same clips before and after adaptation, each clip left out of the adaptation."""

    before: Score
    after: Score

    @property
    def worse(self) -> bool:
        """Whether adaptation raises the word error rate."""
        return self.after.wer > self.before.wer

    def __str__(self) -> str:
        wrong = (counts.substitutions + counts.deletions + counts.insertions for counts in (self.before, self.after))
        return (
            f"left-out WER {self.before.wer:.1%} before, {self.after.wer:.1%} after "
            f"({' and '.join(map(str, wrong))} of {self.before.words} words wrong, {self.before.scored} clips)"
        )

    def as_dict(self) -> dict:
        """Plain numbers for a model's config."""
        return {"before": self.before.as_dict(), "after": self.after.as_dict()}


def folds_of(count: int, folds: int, seed: int = 0) -> list[list[int]]:
    """Clip indices, dealt at random to folds of similar size; at most as many folds as clips."""
    order = np.random.default_rng(seed).permutation(count)
    folds = min(folds, count)
    return [sorted(order[first::folds].tolist()) for first in range(folds)]


def cross_validated_gain(
    loaded: LoadedModel, clips: Sequence[Clip], folds: int, seed: int,
    adapt: Callable[[LoadedModel, list[Clip], str], LoadedModel],
) -> Gain:  # fmt: skip
    """The gain of ``adapt``, (model, clips, label) -> model, over ``folds`` adaptations.

    Clips are decoded with the model's default settings. Raises VsrError as ``adapt`` does.
    """
    after: dict[str, str] = {}
    all_folds = folds_of(len(clips), folds, seed)
    for number, fold in enumerate(all_folds, start=1):
        others = [clip for index, clip in enumerate(clips) if index not in fold]
        after |= _read(adapt(loaded, others, f"{number} of {len(all_folds) + 1}"), [clips[index] for index in fold])
    references = {clip.id: clip.text for clip in clips}
    return Gain(score(references, _read(loaded, list(clips)))[0], score(references, after)[0])


def _read(loaded: LoadedModel, clips: list[Clip]) -> dict[str, str]:
    records = records_of(loaded, clips, options_for(loaded), calibrated=False, modality=lips_alone(loaded))
    return {record["id"]: record["text"] for record in records}
