#!/usr/bin/env python3
"""Test the scale of an expert on real lips: mean loss of each fault over a list, in order, with paired intervals.

local/expert.py --manifest data/crops/test_s1/manifest.jsonl [--clips 100] [--model grid]
"""

import argparse

import numpy as np
import torch

from vsr.data.batch import CropDataset
from vsr.data.manifest import read_manifest
from vsr.inference.expert import LEVELS, Expert, ladder
from vsr.modelstore.folder import load_model
from vsr.text.tokenizer import CharTokenizer

RESAMPLES = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", required=True, metavar="JSONL")
    parser.add_argument("--model", default="grid", metavar="MODEL")
    parser.add_argument("--clips", type=int, default=100)
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips = read_manifest(args.manifest)[: args.clips]
    crops, expert = CropDataset(clips, CharTokenizer(), None), Expert(load_model(args.model))
    rows: dict[str, list[list[float]]] = {}
    for index, clip in enumerate(clips):
        real, other = crops.crop(clip), crops.crop(clips[(index + 1) % len(clips)])
        for name, corrupted in ladder(real, other).items():
            losses = expert.scores(corrupted, real, clip.text)
            rows.setdefault(name, []).append([losses[level] for level in LEVELS])
    names, by_fault = list(rows), {name: np.array(values) for name, values in rows.items()}
    for name in names:
        print(f"{name}: " + ", ".join(f"{n} {v:.3f}" for n, v in zip(LEVELS, by_fault[name].mean(0), strict=True)))
    rng = np.random.default_rng(0)
    draws = rng.integers(0, len(clips), (RESAMPLES, len(clips)))
    for before, after in zip(names, names[1:], strict=False):
        gaps = by_fault[after] - by_fault[before]
        low, high = np.percentile(gaps[draws].mean(1), (2.5, 97.5), axis=0)
        figures = ", ".join(
            f"{level} {mean:+.3f} [{a:+.3f}, {b:+.3f}], {share:.0%} of clips"
            for level, mean, a, b, share in zip(LEVELS, gaps.mean(0), low, high, (gaps > 0).mean(0), strict=True)
        )
        print(f"{before} -> {after}: {figures}")


if __name__ == "__main__":
    main()
