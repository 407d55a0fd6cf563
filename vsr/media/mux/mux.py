"""Replaces the sound of a video."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsr.core.files import atomic_write
from vsr.media.mux.rehearsal import NotHeld, Plan, errors_as_not_held, not_held, plan_muxing


def mux(video: str | Path, wave: np.ndarray, out: str | Path, plan: Plan | None = None, comment: str = "") -> None:
    """Write the video stream of ``video`` with ``wave`` (S,) as its sound; sample 0 is at the first frame shown.

    The stream is copied unchanged if the container of ``out`` then shows the same as ``video``, else it is re-encoded;
    ``plan``: result of `check_container`, if available. ``comment``: for the metadata, if the container has any.

    Raises VsrError "unreadable" if the container of ``out`` cannot hold the video; no_space, not_writable.
    """
    plan = plan or plan_muxing(video, out)
    with atomic_write(out) as temporary:
        try:
            with errors_as_not_held():
                plan.write(temporary, wave, comment=comment)
        except NotHeld as problem:
            raise not_held(video, out, f"{problem}", ".mkv") from problem


def check_container(video: str | Path, out: str | Path) -> Plan:
    """Check that ``out`` can hold the video of ``video``, before the work of synthesising its sound.

    Raises VsrError "unreadable" if it cannot.
    """
    return plan_muxing(video, out)
