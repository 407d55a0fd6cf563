"""The control of a voice that is given words: every clip of a list gets those of another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip

PLACES = 7  # to the clip that lends its words: neighbours of sorted lists often begin alike


def with_other_words(clips: Sequence[Clip]) -> list[Clip]:
    """Each clip with the words, and their times, of the clip `PLACES` further on that does not say the same.

    Raises VsrError bad_manifest where all clips say the same, or one knows no times of words.
    """
    missing = [clip.id for clip in clips if not clip.words]
    if missing:
        raise VsrError("bad_manifest", f"{len(missing)} clips have no times of words to lend, such as {missing[0]}")
    return [replace(clip, words=_lender(clips, place).words) for place, clip in enumerate(clips)]


def _lender(clips: Sequence[Clip], place: int) -> Clip:
    others = (clips[(place + PLACES + step) % len(clips)] for step in range(len(clips)))
    found = next((other for other in others if other.text != clips[place].text), None)
    if found is None:
        raise VsrError("bad_manifest", "all clips say the same: none can lend its words")
    return found
