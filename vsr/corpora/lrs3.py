"""LRS3-TED (Afouras, Chung and Zisserman 2018): ``{pretrain,trainval,test}/<talk>/NNNNN.{mp4,txt}`` -> manifests.

Lists, made the published way:
    train_30h     trainval without the validation clips
    train_433h    pretrain and trainval without the validation clips
    train_438h    pretrain and trainval, nothing held out: it overlaps dev, so training with it needs another dev list
    dev           the names in ``lrs3-valid.id`` (AV-HuBERT), else whole talks of trainval drawn by the seed
    test          test
    unseen_*      the names in ``lrs3_unseen_{train,val,test}.txt`` (Mira et al. 2022): speech of unseen speakers
"""

from __future__ import annotations

import math
import random
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.corpora.lrs import Subset, read_names, read_subset, select, stop_if_bad
from vsr.corpora.pauses import MAX_SECONDS
from vsr.corpora.preparation_report import Count, Report, write_lists
from vsr.data.manifest import Clip
from vsr.data.splits import check_disjoint

SUBSETS = ("pretrain", "trainval", "test")
# Utterances: Ma et al. 2021; words of the test list: ESPnet's results and auto_avsr issue 57.
UTTERANCES = {"pretrain": 118_516, "trainval": 31_982, "test": 1_321}
TEST_WORDS = 9_890
UNSEEN = {"train": 131_168, "val": 6_837, "test": 1_308}
VALID, DEV_CLIPS, DEV_SHARE = "lrs3-valid.id", 1_200, 20  # at most 1,200 clips and a twentieth of trainval


def prepare_lrs3(
    corpus_dir: str | Path, out_dir: str | Path, lists_dir: str | Path | None = None, seed: int = 0,
    max_seconds: float = MAX_SECONDS,
) -> Report:  # fmt: skip
    """Write the manifests and ``report.json``.

    Args:
        corpus_dir: the folder with trainval, test and (for more than 30 h) pretrain.
        out_dir: receives ``<list>.jsonl``.
        lists_dir: folder with ``lrs3-valid.id`` and/or ``lrs3_unseen_{train,val,test}.txt``.
        seed: of the dev list if there is no ``lrs3-valid.id``.
        max_seconds: longer clips are cut at pauses.

    Raises:
        VsrError: bad_corpus for a wrong folder, transcripts without text, lists with missing clips.
    """
    root = Path(corpus_dir)
    for name in SUBSETS[1:]:
        if not (root / name).is_dir():
            raise VsrError("bad_corpus", f"{root} is not LRS3: no folder {name} (give what holds {', '.join(SUBSETS)})")
    published = read_published(Path(lists_dir)) if lists_dir else {}
    subsets = {name: read_subset(root, name, max_seconds) for name in SUBSETS if (root / name).is_dir()}
    stop_if_bad(subsets.values())
    lists = make_lists(subsets, published, seed)
    check_disjoint(lists["train_433h"], lists["dev"], lists["test"])
    check_disjoint(lists["train_438h"], (), lists["test"])
    return write_lists(out_dir, lists, _report(subsets, published))


def prepare_lrs3_test(corpus_dir: str | Path, out_dir: str | Path) -> Report:
    """Write ``test.jsonl`` and ``report.json`` for a corpus that needs only the folder test.

    Every clip is kept whole, as in published figures. Raises VsrError like `prepare_lrs3`.
    """
    root = Path(corpus_dir)
    if not (root / "test").is_dir():
        raise VsrError("bad_corpus", f"{root} is not LRS3: no folder test")
    test = read_subset(root, "test", math.inf)
    stop_if_bad([test])
    counts = [Count("test utterances", len(test.clips), UTTERANCES["test"])]
    counts.append(Count("test words", test.words(), TEST_WORDS))
    clips = [clip for clips in test.clips.values() for clip in clips]
    return write_lists(out_dir, {"test": clips}, Report("lrs3", counts, skipped=test.skipped, faults=test.faults))


def read_published(folder: Path) -> dict[Path, list[str]]:
    """The published lists in a folder: file -> names. Raises VsrError if there are none."""
    unseen = [folder / f"lrs3_unseen_{part}.txt" for part in UNSEEN]
    present = [path for path in (folder / VALID, *unseen) if path.is_file()]
    if not present:
        raise VsrError("bad_corpus", f"{folder} holds neither {VALID} nor {unseen[0].name}")
    missing = [path for path in unseen if path not in present]
    if 0 < len(missing) < len(unseen):
        raise VsrError("bad_corpus", f"{missing[0]} is not there, though other lists of unseen speakers are")
    return {path: read_names(path) for path in present}


def make_lists(subsets: dict[str, Subset], published: dict[Path, list[str]], seed: int) -> dict[str, list[Clip]]:
    """Every list of the corpus, by name."""
    everything = {name: clips for subset in subsets.values() for name, clips in subset.clips.items()}
    trainval, test = subsets["trainval"].clips, subsets["test"].clips
    training = [name for name in everything if name not in test]
    valid = next((path for path in published if path.name == VALID), None)
    dev_names = published[valid] if valid else draw_dev(subsets, seed)
    dev = select({name: everything[name] for name in training}, dev_names, valid or Path(VALID))
    held_out = set(dev_names)

    def clips(names) -> list[Clip]:
        return [clip for name in names for clip in everything[name]]

    lists = {
        "train_30h": clips(name for name in trainval if name not in held_out),
        "train_433h": clips(name for name in training if name not in held_out),
        "train_438h": clips(training),
        "dev": dev,
        "test": clips(test),
    }
    unseen = {path: names for path, names in published.items() if path.name != VALID}
    return lists | {path.stem.removeprefix("lrs3_"): select(everything, names, path) for path, names in unseen.items()}


def draw_dev(subsets: dict[str, Subset], seed: int) -> list[str]:
    """Names of a dev list: whole talks of trainval, those that are not in pretrain first."""
    names = list(subsets["trainval"].clips)
    talks: dict[str, list[str]] = {}
    for name in names:
        talks.setdefault(name.split("/")[1], []).append(name)
    in_pretrain = {name.split("/")[1] for name in subsets["pretrain"].clips} if "pretrain" in subsets else set()
    order = sorted(talks)
    random.Random(seed).shuffle(order)
    order.sort(key=lambda talk: talk in in_pretrain)
    dev_names: list[str] = []
    while order and len(dev_names) < min(DEV_CLIPS, max(1, len(names) // DEV_SHARE)):
        dev_names += talks[order.pop(0)]
    return dev_names


def _report(subsets: dict[str, Subset], published: dict[Path, list[str]]) -> Report:
    counts = [Count(f"{name} utterances", len(subsets[name].clips) if name in subsets else 0, UTTERANCES[name])
              for name in SUBSETS]  # fmt: skip
    counts.append(Count("test words", subsets["test"].words(), TEST_WORDS))
    for path, names in published.items():
        part = path.stem.removeprefix("lrs3_unseen_")
        counts.append(Count(f"names in {path.name}", len(names), UNSEEN.get(part)))
    skipped = {name: reason for subset in subsets.values() for name, reason in subset.skipped.items()}
    faults = {name: reason for subset in subsets.values() for name, reason in subset.faults.items()}
    return Report("lrs3", counts, skipped=skipped, faults=faults)
