"""CMLR (Zhao et al. 2019): ``video/sN/DATE/SECTION.mp4``, ``text/sN/DATE/SECTION.txt`` and lists -> manifests.

The first line of a text is the sentence, without its spaces, since Mandarin is scored by characters. A line of
``{train,val,test}.csv`` is a path without suffix (``s1/20170121/section_1_000.80_002.91``, or with _ after the date).
Lists: train, dev (val), test.
"""

from __future__ import annotations

import re
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.corpora.preparation_report import Count, Report, write_lists
from vsr.data.exchange.convert import id_of
from vsr.data.manifest import Clip
from vsr.data.splits import check_disjoint

LISTS = {"train": "train", "val": "dev", "test": "test"}
SENTENCES = 102_072  # in all lists, as published


def prepare_cmlr(corpus_dir: str | Path, out_dir: str | Path, lists_dir: str | Path | None = None) -> Report:
    """Write the manifests and ``report.json``. ``lists_dir``: folder of the lists, by default the corpus.

    Raises VsrError bad_corpus for a wrong folder, or unreadable lists.
    """
    root = Path(corpus_dir)
    for name in ("video", "text"):
        if not (root / name).is_dir():
            raise VsrError("bad_corpus", f"{root} is not CMLR: no folder {name}")
    lists: dict[str, list[Clip]] = {}
    counts: list[Count] = []
    skipped: dict[str, str] = {}  # clip -> reason
    for split, list_name in LISTS.items():
        names = _names(Path(lists_dir or root) / f"{split}.csv")
        lists[list_name] = [clip for name in names if (clip := _clip(root, name, skipped))]
        counts.append(Count(f"{split} sentences", len(lists[list_name]), len(names)))
    check_disjoint(lists["train"], lists["dev"], lists["test"])
    counts.append(Count("sentences", sum(map(len, lists.values())), SENTENCES))
    return write_lists(out_dir, lists, Report("cmlr", counts, skipped=skipped))


def _names(path: Path) -> list[str]:
    """Paths of a list, all in the same spelling. Raises VsrError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_corpus", f"cannot read the list {path} ({type(error).__name__})") from error
    names = [line.split(",")[0].strip().removesuffix(".mp4") for line in lines if line.strip()]
    return [re.sub(r"^(s\d+/\d{8})_", r"\1/", name) for name in names]


def _clip(root: Path, name: str, skipped: dict[str, str]) -> Clip | None:
    """A clip, or None with the reason added to ``skipped``."""
    video, text = root / "video" / f"{name}.mp4", root / "text" / f"{name}.txt"
    if not video.is_file() or not text.is_file():
        skipped[name] = "no transcript" if video.is_file() else "no video"
        return None
    lines = text.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    words = "".join(lines[0].split()) if lines else ""
    if not words:
        skipped[name] = "no words"
        return None
    return Clip(id_of(name), str(video), words, name.split("/")[0])
