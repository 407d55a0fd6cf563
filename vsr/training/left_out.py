"""What adaptation to a person is worth: each clip is read by a model that was adapted to the others."""

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

FEWEST = 4  # clips, of which each fold is adapted to at least two


@dataclass(frozen=True)
class Gain:
    """Word error rates of the same clips before and after adaptation; none of them was adapted to when it was read."""

    before: Score
    after: Score

    @property
    def worse(self) -> bool:
        """Whether adaptation costs more words than it gains."""
        return self.after.wer > self.before.wer

    def __str__(self) -> str:
        wrong = (own.substitutions + own.deletions + own.insertions for own in (self.before, self.after))
        return (
            f"left-out WER {self.before.wer:.1%} before, {self.after.wer:.1%} after "
            f"({' and '.join(map(str, wrong))} of {self.before.words} words wrong, {self.before.scored} clips)"
        )

    def as_dict(self) -> dict:
        """Plain numbers for a model's config."""
        return {"before": self.before.as_dict(), "after": self.after.as_dict()}


def folds_of(count: int, folds: int, seed: int = 0) -> list[list[int]]:
    """Numbers of clips, dealt to folds of like size; as many folds as clips at most."""
    order = np.random.default_rng(seed).permutation(count)
    folds = min(folds, count)
    return [sorted(order[first::folds].tolist()) for first in range(folds)]


def left_out(
    loaded: LoadedModel, clips: Sequence[Clip], folds: int, seed: int,
    adapt: Callable[[LoadedModel, list[Clip], str], LoadedModel],
) -> Gain:  # fmt: skip
    """The gain of ``adapt`` (model, clips, what to say of it) -> model, over ``folds`` adaptations.

    Searches are those of the model's own settings. Raises VsrError as ``adapt`` does.
    """
    after: dict[str, str] = {}
    dealt = folds_of(len(clips), folds, seed)
    for number, fold in enumerate(dealt, start=1):
        others = [clip for place, clip in enumerate(clips) if place not in fold]
        after |= _read(adapt(loaded, others, f"{number} of {len(dealt) + 1}"), [clips[place] for place in fold])
    references = {clip.id: clip.text for clip in clips}
    return Gain(score(references, _read(loaded, list(clips)))[0], score(references, after)[0])


def _read(loaded: LoadedModel, clips: list[Clip]) -> dict[str, str]:
    found = records_of(loaded, clips, options_for(loaded), calibrated=False, modality=lips_alone(loaded))
    return {record["id"]: record["text"] for record in found}
