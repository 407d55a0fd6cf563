"""Lines on stderr and statuses of verbs that work through a list of clips."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vsr.data.manifest import Clip
    from vsr.modelstore.folder import LoadedModel

from vsr.output.mouth_warnings import FEW, WORSE

NAMED = 3  # clips


def print_counts(counts: Mapping[str, int], *done: str) -> int:
    """Print the counts of a list, and return the exit status of the verb: 1 if there were clips and none of them has
    one of the outcomes ``done``; a few are always refused."""
    print(", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items())) or "nothing to do")
    return int(any(counts.values()) and not any(counts.get(outcome) for outcome in done))


def tell_few_frames(ids: Sequence[str], total: int, program: str = "vsr") -> None:
    """Warn on stderr of clips, among ``total``, with too few frames per second to be read well."""
    _tell(ids, total, f"{FEW}, {WORSE}", program)


def tell_guesses(ids: Sequence[str], total: int, model: str) -> None:
    """Warn on stderr of clips whose lips look unlike the training data of the model."""
    _tell(ids, total, f"look unlike what the model {model} was trained on: their words are guesses", "vsr", "")


def tell_missing_tracks(model: LoadedModel, clips: Sequence[Clip]) -> None:
    """Warn on stderr of clips without a track of mouth points, which the model would read beside their pixels."""
    from vsr.decoding.encoding import reads_tracks

    if reads_tracks(model):
        missing = [clip.id for clip in clips if not clip.track]
        what = f"have no track of mouth points (vsr crop --tracks): {model.name} reads their pixels alone"
        _tell(missing, len(clips), what, "vsr", "")


def _tell(ids: Sequence[str], total: int, what: str, program: str, colon: str = ":") -> None:
    if ids:
        more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
        named = f"{', '.join(ids[:NAMED])}{more}"
        print(f"{program}: {len(ids)} of {total} clips ({named}){colon} {what}", file=sys.stderr, flush=True)
