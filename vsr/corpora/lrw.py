"""LRW (Chung and Zisserman 2016): ``WORD/{train,val,test}/WORD_NNNNN.{mp4,txt}`` -> manifests of one-word clips.

A clip is 29 frames with its word in the middle; the text file has the word's duration, so its boundary is
(middle - half, middle + half). Lists: train, dev (val) and test.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.corpora.preparation_report import Count, Report, write_lists
from vsr.data.manifest import Clip
from vsr.data.splits import check_disjoint

LISTS = {"train": "train", "val": "dev", "test": "test"}
UTTERANCES = {"train": 488_766, "val": 25_000, "test": 25_000}
WORDS, CLIP_SECONDS = 500, 29 / FPS
DURATION = re.compile(r"^\s*Duration:?\s*([0-9.]+)", re.MULTILINE)


def prepare_lrw(corpus_dir: str | Path, out_dir: str | Path) -> Report:
    """Write the manifests and ``report.json``. Raises VsrError if the folder is not LRW."""
    root = _root(Path(corpus_dir))
    words = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    lists: dict[str, list[Clip]] = {name: [] for name in LISTS.values()}
    skipped: dict[str, str] = {}
    faults: dict[str, str] = {}
    for word in words:
        for split, name in LISTS.items():
            lists[name] += _read_folder(root / word / split, word, skipped, faults)
    check_disjoint(*lists.values())
    counts = [Count("words", len({clip.text for clip in lists["train"]}), WORDS)]
    counts += [Count(f"{split} utterances", len(lists[name]), UTTERANCES[split]) for split, name in LISTS.items()]
    return write_lists(out_dir, lists, Report("lrw", counts, skipped=skipped, faults=faults))


def _root(folder: Path) -> Path:
    """The folder with word folders: the given one, or lipread_mp4 in it."""
    for root in (folder / "lipread_mp4", folder):
        if root.is_dir() and any((entry / "train").is_dir() for entry in root.iterdir()):
            return root
    raise VsrError("bad_corpus", f"{folder} is not LRW: it holds no WORD/train/WORD_00001.mp4")


def _read_folder(folder: Path, word: str, skipped: dict[str, str], faults: dict[str, str]) -> list[Clip]:
    """The clips of one word and split."""
    files = os.listdir(folder) if folder.is_dir() else []
    videos, texts = ({name[:-4] for name in files if name.endswith(suffix)} for suffix in (".mp4", ".txt"))
    skipped |= {stem: "no video" for stem in texts - videos}
    clips = []
    for stem in sorted(videos):
        boundary = read_boundary(folder / f"{stem}.txt")
        if boundary is None:
            faults[stem] = "no duration of the word"
        words = ((word, *boundary),) if boundary else ()
        clips.append(Clip(f"{folder.name}_{stem}", str(folder / f"{stem}.mp4"), word, words=words, language="en"))
    return clips


def read_boundary(path: Path) -> tuple[float, float] | None:
    """Start and end of the word in seconds; None if the file has no duration."""
    try:
        match = DURATION.search(path.read_text(encoding="utf-8", errors="replace"))
        seconds = float(match[1]) if match else None
    except (OSError, ValueError):
        return None
    if seconds is None:
        return None
    half = min(seconds, CLIP_SECONDS) / 2
    return round(CLIP_SECONDS / 2 - half, 4), round(CLIP_SECONDS / 2 + half, 4)
