"""What is said of mouths that were not read: covered ones, and lips at rest.

Nothing heavy is imported, so that workers and writers can tell it.
"""

from __future__ import annotations

from collections.abc import Iterable

from vsr.face.skipped import Skipped


def covered_note(skipped: Iterable[Skipped]) -> str | None:
    """What is printed where mouths were covered; None where none was."""
    times = [f"{stretch.start:.2f} to {stretch.end:.2f} s" for stretch in skipped if stretch.reason == "covered"]
    if not times:
        return None
    more = f" and {len(times) - 3} more times" if len(times) > 3 else ""
    return f"the mouth is covered: {', '.join(times[:3])}{more}"


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
