"""What is said of mouths that were not read, or hardly could be: covered ones, lips at rest, few frames a second.

Nothing heavy is imported, so that workers and writers can tell it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vsr.face.skipped import Skipped


def covered_note(skipped: Iterable[Skipped]) -> str | None:
    """What is printed where mouths were covered; None where none was."""
    covered = [(stretch.start, stretch.end) for stretch in skipped if stretch.reason == "covered"]
    return f"the mouth is covered: {_times(covered)}" if covered else None


def _times(spans: Sequence[tuple[float, float]]) -> str:
    """When they are, of the first three."""
    times = [f"{start:.2f} to {end:.2f} s" for start, end in spans[:3]]
    more = f" and {len(spans) - 3} more times" if len(spans) > 3 else ""
    return f"{', '.join(times)}{more}"


REST = "at_rest"  # the reason of a warning
AT_REST = "the lips are at rest from beginning to end, so that nothing is said"


def rest_note(skipped: Iterable[Skipped]) -> str | None:
    """What is printed where nothing was read, as the lips of all who were to be read rest; None for other reasons."""
    reasons = {stretch.reason for stretch in skipped} - {"not chosen"}
    return AT_REST if reasons == {"rest"} else None


def skipped_warnings(skipped: Iterable[Skipped], silent: bool, there: str) -> list[dict]:
    """{"reason", "message"} of mouths that were covered, which ``there`` goes on about, and of lips that rest where all
    is ``silent``."""
    skipped, found = tuple(skipped), []
    if note := covered_note(skipped):
        found.append({"reason": "covered", "message": f"{note}, {there}"})
    if silent and (note := rest_note(skipped)):
        found.append({"reason": REST, "message": note})
    return found


FEW = "the picture changes fewer than 11 times a second at the mouth"
WORSE = (
    "by a low frame rate or by frames that repeat: lips are read worse from so few "
    "(of a known speaker 3 % of words are wrong at 25, 11 % at 10, 33 % at 6)"
)


def few_frames_warnings(spans: Sequence[tuple[float, float]]) -> list[dict]:
    """{"reason", "message"} of faces that have too few frames a second to be read well from second to second."""
    return [{"reason": "few_frames", "message": f"{FEW} ({_times(spans)}), {WORSE}"}] if spans else []
