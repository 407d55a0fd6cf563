"""Notes at the end of a live session: how well the mouth was seen, or why nothing was read, as in transcripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vsr.output.mouth_warnings import AT_REST, FEW, WORSE

if TYPE_CHECKING:
    from vsr.inference.live.session import Session

NO_FACE = "no face was seen"


def notes_of(session: Session) -> list[str]:
    """Messages on the seconds with a covered mouth or too few frames, none below a second; and why nothing was read at
    all, if that is known."""
    parts = []
    if session.covered >= 1:
        parts.append(f"the mouth was covered for {session.covered:.0f} s and not read there")
    if session.few_frames >= 1:
        parts.append(f"for {session.few_frames:.0f} s of speech {FEW}, {WORSE}")
    if not session.num_frames:  # the error of the source says why
        return parts
    if not session.num_mouths:
        parts.append(NO_FACE)
    elif not session.read and not parts:
        parts.append(AT_REST)
    return parts
