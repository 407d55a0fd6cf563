#!/usr/bin/env python3
"""Cut clips of one word from crops of sentences, by their word times.

    local/cut_words.py --manifest data/crops/train/manifest.jsonl --out data/words/train

``--margin`` frames are kept on either side of the word, where the sentence has them. Writes ID_PLACE.npy and
manifest.jsonl, on which conf/words_td3.yaml trains, with the word's times within its clip.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from vsr.core.clock import FPS
from vsr.core.errors import VsrError
from vsr.data.crop_files import read_crop
from vsr.data.manifest import Clip, need_crops, read_manifests, write_manifest


def word_span(start: float, end: float, frames: int, margin: int) -> slice:
    """Frames of a word from ``start`` to ``end`` seconds, with a margin, in a clip of ``frames`` frames."""
    first = min(round(start * FPS), frames - 1)
    last = max(round(end * FPS), first + 1)
    return slice(max(0, first - margin), min(frames, last + margin))


def words_of(clip: Clip, margin: int, out: Path) -> Iterator[Clip]:
    """Write the crop of each word and yield its clip."""
    crop = np.asarray(read_crop(clip.crop))
    for index, (word, start, end) in enumerate(clip.words):
        span = word_span(start, end, len(crop), margin)
        path = out / f"{clip.id}_{index}.npy"
        np.save(path, crop[span])
        offset = span.start / FPS
        yield replace(
            clip, id=path.stem, text=word, crop=str(path), num_frames=span.stop - span.start, track="", sound="",
            words=((word, max(0.0, start - offset), end - offset),), phones=(), start=clip.start + offset,
            end=clip.start + span.stop / FPS,
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", nargs="+", required=True, metavar="JSONL", help="of crops, with times of words")
    parser.add_argument("--margin", type=int, default=4, metavar="N", help="frames on either side (default: 4)")
    parser.add_argument("--out", required=True, metavar="DIR")
    args = parser.parse_args()
    clips, out = read_manifests(args.manifest), Path(args.out)
    need_crops(clips)
    if untimed := [clip.id for clip in clips if not clip.words]:
        raise VsrError("bad_manifest", f"{len(untimed)} clips have no times of words, such as {untimed[0]}")
    out.mkdir(parents=True, exist_ok=True)
    words = [word for clip in clips for word in words_of(clip, args.margin, out)]
    write_manifest(out / "manifest.jsonl", words)
    print(f"{len(words)} words of {len(clips)} clips, {sum(word.num_frames for word in words) / FPS / 60:.1f} minutes")


if __name__ == "__main__":
    main()
