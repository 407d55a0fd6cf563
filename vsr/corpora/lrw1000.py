"""LRW-1000 (Yang et al. 2019): folders of mouth images and lists -> crops and manifests of one-word clips.

A line of ``{trn,val,tst}_1000.txt`` is ``FOLDER,word,pinyin,start,end``, in seconds at 25 images per second; images are
1.jpg, 2.jpg, ... A class is a word's pinyin, with apostrophes between syllables. Clips are 40 images with the word in
the middle, as in published work, fewer at the ends. Lists: train, dev, test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.core.files import atomic_write
from vsr.core.progress import count_items
from vsr.corpora.lists import check_lists
from vsr.corpora.preparation_report import Count, Report, write_lists
from vsr.data.crop_files import SIDE, count_frames, write_crop
from vsr.data.exchange.convert import id_of
from vsr.data.manifest import Clip

LISTS = {"trn": "train", "val": "dev", "tst": "test"}
CLASSES, SAMPLES = 1_000, 718_018
WINDOW = 40  # images per clip
STORE = "video"  # an array would take 20 times the space
Row = tuple[str, str, float, float]  # folder, pinyin, start, end


def prepare_lrw1000(corpus_dir: str | Path, out_dir: str | Path, lists_dir: str | Path | None = None) -> Report:
    """Write ``crops/ID.mp4``, the manifests and ``report.json``; existing crops are kept.

    ``lists_dir``: folder of the lists, by default info. Raises VsrError bad_corpus for a wrong folder or list.
    """
    root = Path(corpus_dir)
    info = Path(lists_dir or root / "info")
    images = next(
        (folder for folder in (root / "images" / "images", root / "images", root) if _has_folders(folder)), root
    )
    rows = {split: _rows(info / f"{split}_1000.txt") for split in LISTS}
    check_lists(out_dir, "lrw1000", LISTS.values())  # before hours of crops
    lists: dict[str, list[Clip]] = {}
    skipped: dict[str, str] = {}
    for split, split_rows in rows.items():
        progress = count_items(list(enumerate(split_rows)), f"{split} crops", len(split_rows))
        clips = (_clip(images, Path(out_dir), split, number, row, skipped) for number, row in progress)
        lists[LISTS[split]] = [clip for clip in clips if clip]
    counts = [Count("classes", len({row[1] for split_rows in rows.values() for row in split_rows}), CLASSES)]
    counts += [
        Count(f"{split} samples", len(lists[LISTS[split]]), len(split_rows)) for split, split_rows in rows.items()
    ]
    counts.append(Count("samples", sum(map(len, lists.values())), SAMPLES))
    return write_lists(out_dir, lists, Report("lrw1000", counts, skipped=skipped))


def _has_folders(folder: Path) -> bool:
    return folder.is_dir() and any((entry / "1.jpg").is_file() for entry in folder.iterdir())


def _rows(path: Path) -> list[Row]:
    """The samples of a list. Raises VsrError naming the line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise VsrError("bad_corpus", f"cannot read the list {path} ({type(error).__name__})") from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            folder, _, pinyin, start, end = (column.strip() for column in line.split(","))
            row = (folder, "'".join(pinyin.split()), float(start), float(end))
        except ValueError:
            raise VsrError("bad_corpus", f"{path}, line {number}: is not 'FOLDER,word,pinyin,start,end'") from None
        if not 0 <= row[2] <= row[3] < float("inf") or not folder or not row[1]:
            raise VsrError("bad_corpus", f"{path}, line {number}: no such times, or no name")
        rows.append(row)
    return rows


def _clip(images: Path, out: Path, split: str, number: int, row: Row, skipped: dict[str, str]) -> Clip | None:
    """A clip with its crop, or None with the reason added to ``skipped``."""
    folder, pinyin, start, end = row
    name = id_of(f"{split}_{number:06d}_{folder}")
    files = {int(file.stem): file for file in (images / folder).glob("*.jpg") if file.stem.isdigit()}
    first, stop = window(start, end, max(files, default=0))
    chosen = [files[place] for place in range(first, stop) if place in files]
    if not chosen or len(chosen) < stop - first:
        skipped[name] = "no images" if not chosen else "images are missing"
        return None
    path = out / "crops" / f"{name}.mp4"
    if count_frames(path) != len(chosen):
        crop = _read(chosen)
        if crop is None:
            skipped[name] = "an image cannot be read"
            return None
        with atomic_write(path) as temporary:
            write_crop(temporary, crop, STORE)
    offset = (first - 1) / FPS
    words = ((pinyin, max(0.0, round(start - offset, 4)), min(len(chosen) / FPS, round(max(start, end) - offset, 4))),)
    return Clip(name, str(images / folder), pinyin, num_frames=len(chosen), crop=str(path), words=words, language="cmn")


def window(start: float, end: float, count: int) -> tuple[int, int]:
    """(first, stop) of the images, counted from 1, of a word from ``start`` to ``end`` seconds: the 40 round its
    middle, as far as a folder of ``count`` has them."""
    middle = (int(start * FPS) + int(end * FPS)) / 2 + 1
    first = int(middle - WINDOW // 2)
    return max(1, first), max(1, min(count + 1, first + WINDOW))


def _read(files: list[Path]) -> np.ndarray | None:
    """Images -> crop (T, 96, 96); None if one cannot be read."""
    import cv2

    images = [cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files]
    if any(image is None for image in images):
        return None
    return np.stack([image if image.shape == (SIDE, SIDE) else cv2.resize(image, (SIDE, SIDE)) for image in images])
