"""Named lists of a corpus, and the rule that what is tested on was never trained or tuned on."""

from __future__ import annotations

from collections.abc import Iterable

from vsr.data.manifest import Clip
from vsr.errors import VsrError


def check_disjoint(train: Iterable[Clip], dev: Iterable[Clip], tests: Iterable[Clip]) -> None:
    """Raise VsrError if two of the three share a clip (by id or by video file)."""
    lists = {"train": list(train), "dev": list(dev), "test": list(tests)}
    for first, second in (("train", "dev"), ("train", "test"), ("dev", "test")):
        ids = {clip.id for clip in lists[first]} & {clip.id for clip in lists[second]}
        if ids:
            example = sorted(ids)[0]
            raise VsrError(
                "bad_manifest",
                f"the {first} and {second} lists share {len(ids)} clips, such as {example}: "
                "take them out of one, or the figures mean nothing",
            )
