"""Messages about mouths that were not read or are hard to read: covered, at rest, or with few frames per second.

Only light modules are imported, for workers and writers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vsr.face.skipped import Skipped


def covered_note(skipped: Iterable[Skipped]) -> str | None:
    """The message about covered mouths; None if there were none."""
    covered = [(stretch.start, stretch.end) for stretch in skipped if stretch.reason == "covered"]
    return f"the mouth is covered: {_times(covered)}" if covered else None


def _times(spans: Sequence[tuple[float, float]]) -> str:
    """Times of the first three spans, and the number of the others."""
    times = [f"{start:.2f} to {end:.2f} s" for start, end in spans[:3]]
    more = f" and {len(spans) - 3} more times" if len(spans) > 3 else ""
    return f"{', '.join(times)}{more}"


REST = "at_rest"  # the reason of a warning
AT_REST = "the lips are at rest from beginning to end, so that nothing is said"


def rest_note(skipped: Iterable[Skipped]) -> str | None:
    """The message if nothing was read because all chosen faces have their lips at rest; None for other reasons."""
    reasons = {stretch.reason for stretch in skipped} - {"not chosen"}
    return AT_REST if reasons == {"rest"} else None


def skipped_warnings(skipped: Iterable[Skipped], silent: bool, continuation: str) -> list[dict]:
    """{"reason", "message"} about covered mouths, which go on with ``continuation``, and if ``silent`` (nothing was
    read) about lips at rest."""
    skipped, warnings = tuple(skipped), []
    if note := covered_note(skipped):
        warnings.append({"reason": "covered", "message": f"{note}, {continuation}"})
    if silent and (note := rest_note(skipped)):
        warnings.append({"reason": REST, "message": note})
    return warnings


def not_chosen_warnings(skipped: Iterable[Skipped]) -> list[dict]:
    """{"reason", "message"} about faces that speak and were not chosen to be read."""
    others = [stretch for stretch in skipped if stretch.reason == "not chosen"]
    if not others:
        return []
    faces = len({stretch.face for stretch in others})
    who = "another face seems to speak and is" if faces == 1 else f"{faces} other faces seem to speak and are"
    times = _times([(stretch.start, stretch.end) for stretch in others])
    return [{"reason": "not_chosen", "message": f"{who} not read: {times}; --faces all reads every face"}]


FEW = "the picture changes fewer than 11 times a second at the mouth"
WORSE = (
    "by a low frame rate or by frames that repeat: lips are read worse from so few "
    "(of a known speaker 3 % of words are wrong at 25, 11 % at 10, 33 % at 6)"
)


def few_frames_warnings(spans: Sequence[tuple[float, float]]) -> list[dict]:
    """{"reason", "message"} about faces with too few frames per second, in ``spans`` (start, end) in seconds."""
    return [{"reason": "few_frames", "message": f"{FEW} ({_times(spans)}), {WORSE}"}] if spans else []
