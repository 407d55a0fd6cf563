"""Named lists of a corpus, and the rule that test clips are never trained or tuned on."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Protocol

from vsr.core.errors import VsrError
from vsr.data.manifest import Clip, read_manifests


class Lists(Protocol):
    """Settings that name the manifests of a run."""

    @property
    def train(self) -> Sequence[str]: ...

    @property
    def dev(self) -> Sequence[str]: ...

    @property
    def tests(self) -> Sequence[str]: ...


def read_lists(data: Lists) -> tuple[list[Clip], list[Clip], list[Clip]]:
    """The clips for training, for development and for tests. Raises VsrError like `read_manifests`, and where two of
    the three share a clip or one of them has it twice."""
    train, dev, tests = (read_manifests(paths) for paths in (data.train, data.dev, data.tests))
    for name, clips in (("train", train), ("dev", dev), ("tests", tests)):
        check_once(name, clips)
    check_disjoint(train, dev, tests)
    return train, dev, tests


def check_once(name: str, clips: Iterable[Clip]) -> None:
    """Raise VsrError bad_manifest if an id comes more than once, as in a manifest that is named twice."""
    repeated = [clip_id for clip_id, count in Counter(clip.id for clip in clips).items() if count > 1]
    if repeated:
        problem = f"the manifests of data.{name} hold {len(repeated)} clips more than once, such as {min(repeated)}"
        raise VsrError("bad_manifest", f"{problem}: name each manifest once, and give each clip an id of its own")


def check_disjoint(train: Iterable[Clip], dev: Iterable[Clip], tests: Iterable[Clip]) -> None:
    """Raise VsrError if two of the three share a clip: by id, or by overlapping parts of one video file."""
    lists = {"train": list(train), "dev": list(dev), "test": list(tests)}
    parts = {name: _parts(clips) for name, clips in lists.items()}
    for first, second in (("train", "dev"), ("train", "test"), ("dev", "test")):
        ids = {clip.id for clip in lists[first]} & {clip.id for clip in lists[second]}
        if ids:
            raise _shared(first, second, f"{len(ids)} clips, such as {min(ids)}")
        videos = [video for video in parts[first].keys() & parts[second].keys()
                  if _overlap(parts[first][video], parts[second][video])]  # fmt: skip
        if videos:
            raise _shared(first, second, f"{len(videos)} videos under other ids, such as {min(videos)}")


def _shared(first: str, second: str, what: str) -> VsrError:
    problem = f"the {first} and {second} lists share {what}"
    return VsrError("bad_manifest", f"{problem}: remove them from one list, or the figures mean nothing")


def _parts(clips: Iterable[Clip]) -> dict[str, list[tuple[float, float]]]:
    """Video file -> the parts (start, end) of it that are clips."""
    resolved = cache(os.path.realpath)  # of folders: a corpus has a million files in a few of them
    parts: dict[str, list[tuple[float, float]]] = {}
    for clip in clips:
        folder, name = os.path.split(clip.video)
        video = os.path.join(resolved(folder), name)
        video = os.path.realpath(video) if os.path.islink(video) else video
        parts.setdefault(video, []).append((clip.start, clip.end or math.inf))
    return parts


def _overlap(parts: list[tuple[float, float]], others: list[tuple[float, float]]) -> bool:
    """Whether a part of one list overlaps a part of the other."""
    marked = sorted([(*part, 0) for part in parts] + [(*part, 1) for part in others])
    ends = [-math.inf, -math.inf]
    for start, end, side in marked:
        if start < ends[1 - side]:
            return True
        ends[side] = max(ends[side], end)
    return False
