"""What must be known of the clips of a list before what was read of them is believed, in a line each."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from vsr.output.unread import FEW, WORSE

NAMED = 3  # clips


def told_counts(counts: Mapping[str, int], *done: str) -> int:
    """Print the counts of a list; the exit status of a verb that works through it: 1 where there were clips and none of
    them came through as one of ``done``, for some are always refused."""
    print(", ".join(f"{number} {what}" for what, number in sorted(counts.items())) or "nothing to do")
    return int(any(counts.values()) and not any(counts.get(what) for what in done))


def tell_few_frames(ids: Sequence[str], total: int, program: str = "vsr") -> None:
    """A line on stderr where clips of ``total`` have too few frames a second to be read well."""
    _tell(ids, total, f"{FEW}, {WORSE}", program)


def tell_guesses(ids: Sequence[str], total: int, model: str) -> None:
    """A line on stderr where the lips of clips look unlike what the model was trained on."""
    _tell(ids, total, f"look unlike what the model {model} was trained on: their words are guesses", "vsr", "")


def _tell(ids: Sequence[str], total: int, what: str, program: str, colon: str = ":") -> None:
    if ids:
        more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
        named = f"{', '.join(ids[:NAMED])}{more}"
        print(f"{program}: {len(ids)} of {total} clips ({named}){colon} {what}", file=sys.stderr, flush=True)
