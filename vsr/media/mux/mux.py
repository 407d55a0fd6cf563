"""A video with a new sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsr.core.files import atomic_write
from vsr.media.mux.rehearsal import NotHeld, Plan, not_held, planned, telling


def mux(video: str | Path, wave: np.ndarray, out: str | Path, plan: Plan | None = None, comment: str = "") -> None:
    """Write the video stream of ``video`` with ``wave`` (S,) as its sound; sample 0 is at the first frame shown.

    The stream is copied, untouched, where the container of ``out`` then shows what ``video`` shows; else it is encoded
    again, as `check_container` says, whose ``plan`` may be given. ``comment``: for the metadata, where there are any.

    Raises VsrError "unreadable" where the container of ``out`` cannot hold the video; no_space, not_writable.
    """
    plan = plan or planned(video, out)
    with atomic_write(out) as temporary:
        try:
            with telling():
                plan.write(temporary, wave, comment=comment)
        except NotHeld as problem:
            raise not_held(video, out, f"{problem}", "try .mkv") from problem


def check_container(video: str | Path, out: str | Path) -> Plan:
    """Whether ``out`` can hold the video of ``video``, tried before the work that makes its sound.

    Raises VsrError "unreadable" where it cannot.
    """
    return planned(video, out)
