"""LRS2-BBC (Afouras et al. 2018): ``{main,pretrain}/<programme>/NNNNN.{mp4,txt}`` and lists -> manifests.

Lists: train (main's), pretrain, train_all (both, the published 223 h), dev (val) and test. The lists
``{pretrain,train,val,test}.txt`` are beside the two folders, one level above, or in ``lists_dir``. The "speaker" of a
clip is its programme, as LRS2 names no speakers.
"""

from __future__ import annotations

import math
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.corpora.lrs import Subset, read_names, read_subset, select, stop_if_bad
from vsr.corpora.pauses import MAX_SECONDS
from vsr.corpora.preparation_report import Count, Report, write_lists
from vsr.data.manifest import Clip
from vsr.data.splits import check_disjoint

SUBSET_OF = {"pretrain": "pretrain", "train": "main", "val": "main", "test": "main"}
UTTERANCES = {"pretrain": 96_318, "train": 45_839, "val": 1_082, "test": 1_243}  # Ma et al. 2021
TEST_WORDS = 6_663  # Afouras, Chung and Zisserman 2018


def prepare_lrs2(
    corpus_dir: str | Path, out_dir: str | Path, lists_dir: str | Path | None = None, max_seconds: float = MAX_SECONDS
) -> Report:
    """Write the manifests and ``report.json``; arguments and errors as in `vsr.corpora.lrs3.prepare_lrs3`."""
    root = _root(Path(corpus_dir))
    names = {part: read_names(path) for part, path in _lists(root, lists_dir).items()}
    subsets = {name: read_subset(root, name, max_seconds) for name in ("main", "pretrain") if (root / name).is_dir()}
    stop_if_bad(subsets.values())
    # Clips that were skipped with a reason are counted as skipped, not as missing.
    skipped = {name: reason for subset in subsets.values() for name, reason in subset.skipped.items()}
    parts: dict[str, list[Clip]] = {}
    for part, list_names in names.items():
        full = [f"{SUBSET_OF[part]}/{name}" for name in list_names]
        known = subsets[SUBSET_OF[part]].clips
        parts[part] = select(known, [name for name in full if name not in skipped], Path(f"{part}.txt"))
    pretrain = parts.get("pretrain", [])
    lists = {"train": parts["train"], "pretrain": pretrain, "train_all": pretrain + parts["train"],
             "dev": parts["val"], "test": parts["test"]}  # fmt: skip
    check_disjoint(lists["train_all"], lists["dev"], lists["test"])
    present = {
        part: sum(f"{SUBSET_OF[part]}/{name}" not in skipped for name in list_names)
        for part, list_names in names.items()
    }
    counts = [Count(f"{part} utterances", present.get(part, 0), number) for part, number in UTTERANCES.items()]
    counts.append(Count("test words", sum(len(clip.text.split()) for clip in parts["test"]), TEST_WORDS))
    faults = {name: reason for subset in subsets.values() for name, reason in subset.faults.items()}
    return write_lists(out_dir, lists, Report("lrs2", counts, skipped=skipped, faults=faults))


def prepare_lrs2_test(corpus_dir: str | Path, out_dir: str | Path, lists_dir: str | Path | None = None) -> Report:
    """Write ``test.jsonl`` and ``report.json`` for a corpus that needs only the clips of test.txt.

    Raises VsrError like `prepare_lrs2`.
    """
    root = _root(Path(corpus_dir))
    names = [f"main/{name}" for name in read_names(_list("test", root, lists_dir))]
    main = read_subset(root, "main", math.inf)
    test_names = set(names)
    skipped = {name: reason for name, reason in main.skipped.items() if name in test_names}
    bad = [line for line in main.bad if any(f"{name}.txt" in line for name in test_names)]
    stop_if_bad([Subset(bad=bad)])
    clips = select(main.clips, [name for name in names if name not in skipped], Path("test.txt"))
    counts = [Count("test utterances", len(clips), UTTERANCES["test"])]
    counts.append(Count("test words", sum(len(clip.text.split()) for clip in clips), TEST_WORDS))
    return write_lists(out_dir, {"test": clips}, Report("lrs2", counts, skipped=skipped))


def _root(folder: Path) -> Path:
    """The folder with main: the given one, or mvlrs_v1 in it, as the corpus is unpacked."""
    for root in (folder, folder / "mvlrs_v1"):
        if (root / "main").is_dir():
            return root
    raise VsrError("bad_corpus", f"{folder} is not LRS2: no folder main (give what holds main and pretrain)")


def _lists(root: Path, lists_dir: str | Path | None) -> dict[str, Path]:
    """The list file of every part; pretrain's only if there is such a folder. Raises VsrError if one is missing."""
    parts = SUBSET_OF if (root / "pretrain").is_dir() else ("train", "val", "test")
    return {part: _list(part, root, lists_dir) for part in parts}


def _list(part: str, root: Path, lists_dir: str | Path | None) -> Path:
    """The list file of a part. Raises VsrError if it is missing."""
    places = [Path(lists_dir)] if lists_dir else [root, root.parent]
    path = next((place / f"{part}.txt" for place in places if (place / f"{part}.txt").is_file()), None)
    if path is None:
        raise VsrError("bad_corpus", f"no list {part}.txt in {' or '.join(map(str, places))} (see --lists)")
    return path
