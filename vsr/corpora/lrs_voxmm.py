"""LRS-VoxMM, as VoxMM's tools write it (Kwak et al. 2024): ``{train,test}/<video>/NNNNN.{mp4,txt}`` -> manifests.

A transcript is only its ``Text:`` line. The tools silently leave out videos that cannot be fetched; their lists
``segment_list/{train,test}.txt`` (video and number of each segment) name all segments, and missing ones are reported.
"""

from __future__ import annotations

import math
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.corpora.lrs import Subset, read_subset, stop_if_bad
from vsr.corpora.preparation_report import Count, Report, write_lists
from vsr.data.manifest import Clip
from vsr.data.splits import check_disjoint

SUBSETS = ("train", "test")
LEAST_WORDS, MOST_WORDS = 2, 80  # of the published selection


def prepare_lrs_voxmm(corpus_dir: str | Path, out_dir: str | Path, lists_dir: str | Path | None = None) -> Report:
    """Write ``train.jsonl``, ``test.jsonl`` and ``report.json``.

    Args:
        corpus_dir: the folder with test and, if there is one, train.
        lists_dir: of the segment lists; by default the folder segment_list beside them, if there is one.

    Raises:
        VsrError: bad_corpus for a wrong folder, transcripts without text, an unreadable list.
    """
    root = Path(corpus_dir)
    if not (root / "test").is_dir():
        raise VsrError("bad_corpus", f"{root} is not LRS-VoxMM: no folder test (give what holds test and train)")
    present = [name for name in SUBSETS if (root / name).is_dir()]
    subsets = {name: read_subset(root, name, math.inf) for name in present}
    stop_if_bad(subsets.values())
    segments = {name: _listed_segments(name, root, lists_dir) for name in present}
    for name, subset in subsets.items():
        _lengths(subset)
        for segment in segments[name] or ():
            if segment not in subset.clips and segment not in subset.skipped:
                subset.skipped[segment] = "in the segment list, and not there"
    lists = {name: [clip for clips in subset.clips.values() for clip in clips] for name, subset in subsets.items()}
    check_disjoint(lists.get("train", []), (), lists["test"])
    skipped = {name: reason for subset in subsets.values() for name, reason in subset.skipped.items()}
    return write_lists(out_dir, lists, Report("lrs_voxmm", _counts(lists, segments), skipped=skipped))


def _lengths(subset: Subset) -> None:
    """Skip clips with a number of words outside the published selection."""
    for name, clips in list(subset.clips.items()):
        count = sum(len(clip.text.split()) for clip in clips)
        if not LEAST_WORDS <= count <= MOST_WORDS:
            del subset.clips[name]
            subset.skipped[name] = f"not {LEAST_WORDS} to {MOST_WORDS} words"


def _counts(lists: dict[str, list[Clip]], segments: dict[str, list[str] | None]) -> list[Count]:
    counts = []
    for name, clips in lists.items():
        listed = segments[name]
        counts.append(Count(f"{name} utterances", len(clips), None if listed is None else len(listed)))
    return counts


def _listed_segments(name: str, root: Path, lists_dir: str | Path | None) -> list[str] | None:
    """Names of the listed segments; None without a list. Raises VsrError."""
    path = Path(lists_dir or root / "segment_list") / f"{name}.txt"
    if not path.is_file():
        if lists_dir:
            raise VsrError("bad_corpus", f"no list {path}")
        return None
    names = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        columns = line.split()
        if columns and not (len(columns) > 1 and columns[1].isdigit()):
            raise VsrError("bad_corpus", f"{path}, line {number}: is not 'VIDEO NUMBER'")
        names += [f"{name}/{columns[0]}/{int(columns[1]):05d}"] if columns else []
    return names
