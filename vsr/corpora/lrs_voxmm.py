"""LRS-VoxMM, which VoxMM's own tools write (Kwak et al. 2024): ``{train,test}/<video>/NNNNN.{mp4,txt}`` -> manifests.

A transcript is its ``Text:`` line alone. The tools leave out what cannot be fetched without a word; their lists
``segment_list/{train,test}.txt`` (video and number of each segment) say what was wanted; what is not there is named.
"""

from __future__ import annotations

import math
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.corpora.lrs import Subset, read_subset, stop_if_bad
from vsr.corpora.published import Count, Report, write_lists
from vsr.data.manifest import Clip
from vsr.data.splits import check_disjoint

SUBSETS = ("train", "test")
LEAST_WORDS, MOST_WORDS = 2, 80  # of the published selection


def prepare_lrs_voxmm(corpus_dir: str | Path, out_dir: str | Path, lists_dir: str | Path | None = None) -> Report:
    """Write ``train.jsonl``, ``test.jsonl`` and ``report.json``.

    Args:
        corpus_dir: what holds test and, where there is one, train.
        lists_dir: of the segment lists; else the folder segment_list beside them, if there is one.

    Raises:
        VsrError: bad_corpus for a wrong folder, transcripts without text, a list that cannot be read.
    """
    root = Path(corpus_dir)
    if not (root / "test").is_dir():
        raise VsrError("bad_corpus", f"{root} is not LRS-VoxMM: no folder test (give what holds test and train)")
    there = [name for name in SUBSETS if (root / name).is_dir()]
    subsets = {name: read_subset(root, name, math.inf) for name in there}
    stop_if_bad(subsets.values())
    wanted = {name: _wanted(name, root, lists_dir) for name in there}
    for name, subset in subsets.items():
        _lengths(subset)
        for segment in wanted[name] or ():
            if segment not in subset.clips and segment not in subset.skipped:
                subset.skipped[segment] = "in the segment list, and not there"
    lists = {name: [clip for own in subset.clips.values() for clip in own] for name, subset in subsets.items()}
    check_disjoint(lists.get("train", []), (), lists["test"])
    skipped = {name: why for subset in subsets.values() for name, why in subset.skipped.items()}
    return write_lists(out_dir, lists, Report("lrs_voxmm", _counts(lists, wanted), skipped=skipped))


def _lengths(subset: Subset) -> None:
    """Leave out clips that the published selection leaves out by their words."""
    for name, clips in list(subset.clips.items()):
        count = sum(len(clip.text.split()) for clip in clips)
        if not LEAST_WORDS <= count <= MOST_WORDS:
            del subset.clips[name]
            subset.skipped[name] = f"not {LEAST_WORDS} to {MOST_WORDS} words"


def _counts(lists: dict[str, list[Clip]], wanted: dict[str, list[str] | None]) -> list[Count]:
    found = []
    for name, clips in lists.items():
        own = wanted[name]
        found.append(Count(f"{name} utterances", len(clips), None if own is None else len(own)))
    return found


def _wanted(name: str, root: Path, lists_dir: str | Path | None) -> list[str] | None:
    """Names of the wanted segments; None where nothing lists them. Raises VsrError."""
    path = Path(lists_dir or root / "segment_list") / f"{name}.txt"
    if not path.is_file():
        if lists_dir:
            raise VsrError("bad_corpus", f"no list {path}")
        return None
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        columns = line.split()
        if columns and not (len(columns) > 1 and columns[1].isdigit()):
            raise VsrError("bad_corpus", f"{path}, line {number}: is not 'VIDEO NUMBER'")
        found += [f"{name}/{columns[0]}/{int(columns[1]):05d}"] if columns else []
    return found
