"""Prepares tracks of mouth points of GRID's speakers, without frames: `sN.npz` per speaker -> one file per sentence.

`names`, `texts`, `word_frames` (n, 6) frames of each word, and for all sentences in sequence `points_px50` (F, 9, 2),
50 times pixels from the middle of the eyes, and `measures` (F, 8); silence is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np

from vsr.core.clock import FPS
from vsr.core.errors import VsrError, one_line
from vsr.core.files import write_json
from vsr.corpora.grid import UNSEEN
from vsr.corpora.lists import check_lists, write_lists
from vsr.data.manifest import Clip, read_manifest
from vsr.face.mouth_features import write_track

SCALE = 50  # of the stored points
DEV_SPEAKERS = ("s13", "s29")  # never trained on, for all choices
NEEDED = ("names", "texts", "word_frames", "points_px50", "measures")


def prepare_landmarks(
    corpus: str | Path, out_dir: str | Path, lists: str | Path | None, dev: Sequence[str] = DEV_SPEAKERS
) -> dict[str, int]:
    """Write `tracks/ID.npz`, `train.jsonl`, `dev.jsonl` (the speakers ``dev``) and `report.json`; returns the counts.

    ``lists``: folder of GRID's manifests; clips of all lists except `train.jsonl` are left out. Raises VsrError if the
    folder holds no tracks, other files, or a speaker who is for tests only.
    """
    corpus, out_dir = Path(corpus), Path(out_dir)
    files = sorted(corpus.glob("s*.npz"), key=lambda path: (len(path.stem), path.stem)) if corpus.is_dir() else []
    if not files:
        raise VsrError("bad_corpus", f"{corpus} holds no tracks (s1.npz, s2.npz, ...)")
    check_lists(out_dir, "landmarks", ("train", "dev"))
    held_out = _held_out(lists)
    by_list: dict[str, list[Clip]] = {"train": [], "dev": []}
    counts: Counter[str] = Counter()
    for path in files:
        if not re.fullmatch(r"s\d+", path.stem) or path.stem in UNSEEN:
            raise VsrError("bad_corpus", f"{path}: tracks of a speaker who is only tested on")
        for clip in _clips(path, out_dir / "tracks", held_out, counts):
            by_list["dev" if clip.speaker in dev else "train"].append(clip)
    counts |= Counter(write_lists(out_dir, "landmarks", by_list))
    write_json(out_dir / "report.json", {"clips": dict(counts), "dev_speakers": list(dev)})
    return dict(counts)


def _held_out(lists: str | Path | None) -> set[str]:
    """Ids of the clips of all lists except the training list."""
    if lists is None:
        return set()
    files = [path for path in sorted(Path(lists).glob("[!.]*.jsonl")) if path.stem != "train"]  # not the ledger
    if not files:
        raise VsrError("bad_corpus", f"{lists} holds no lists to leave out: give the folder of GRID's manifests")
    return {clip.id for path in files for clip in read_manifest(path)}


def _clips(path: Path, folder: Path, held_out: Iterable[str], counts: Counter) -> Iterator[Clip]:
    """The sentences of one speaker, each written to its own file. Raises VsrError."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            names, texts, frames, points, measures = (stored[name] for name in NEEDED)
        stops = np.cumsum(frames.sum(1))
        if stops[-1] != len(points) or len(points) != len(measures) or points.shape[1:] != (9, 2):
            raise ValueError("its arrays do not fit together")
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise VsrError("bad_corpus", f"{path}: no tracks of mouth points: {one_line(error)}") from error
    for name, text, lengths, stop in zip(names, texts, frames, stops, strict=True):
        clip_id = f"{path.stem}_{name}"
        if clip_id in held_out:
            counts["held out"] += 1
            continue
        span = slice(int(stop - lengths.sum()), int(stop))
        track = folder / f"{clip_id}.npz"
        write_track(track, points[span].astype(np.float32) / SCALE, measures[span].astype(np.float32))
        words = _timed(str(text).split(), lengths.tolist())
        yield Clip(clip_id, str(track), str(text), path.stem, int(lengths.sum()), words=words, track=str(track))


def _timed(words: list[str], frames: list[int]) -> tuple[tuple[str, float, float], ...]:
    edges = [0, *accumulate(frames)]
    return tuple((word, a / FPS, b / FPS) for word, a, b in zip(words, edges[:-1], edges[1:], strict=True))
