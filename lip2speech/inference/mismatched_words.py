"""Control for voices that are given words: every clip of a list gets the words of another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip

PLACES = 7  # offset of the clip that lends its words: neighbours in sorted lists often begin alike


def with_other_words(clips: Sequence[Clip]) -> list[Clip]:
    """Each clip with the timed words of the first clip with another text, from `PLACES` further on.

    Raises VsrError bad_manifest if all clips have the same text, or a clip has no word times.
    """
    missing = [clip.id for clip in clips if not clip.words]
    if missing:
        raise VsrError("bad_manifest", f"{len(missing)} clips have no times of words to lend, such as {missing[0]}")
    return [replace(clip, words=_lender(clips, index).words) for index, clip in enumerate(clips)]


def _lender(clips: Sequence[Clip], index: int) -> Clip:
    others = (clips[(index + PLACES + step) % len(clips)] for step in range(len(clips)))
    lender = next((other for other in others if other.text != clips[index].text), None)
    if lender is None:
        raise VsrError("bad_manifest", "all clips say the same: none can lend its words")
    return lender
