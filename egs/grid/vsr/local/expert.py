#!/usr/bin/env python3
"""Test the scale of an expert on real lips: mean loss of each fault over a list, in order, with paired intervals.

local/expert.py --manifest data/crops/test_s1/manifest.jsonl [--clips 100] [--model grid]
"""

import argparse
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from vsr.data.batch import CropDataset
from vsr.data.manifest import Clip, read_manifest
from vsr.inference.expert import LEVELS, Expert, ladder
from vsr.modelstore.folder import load_model
from vsr.text.tokenizer import CharTokenizer

RESAMPLES = 2000


def losses_by_fault(expert: Expert, clips: Sequence[Clip]) -> dict[str, np.ndarray]:
    """Fault -> losses (N, levels) of each clip, the least fault first."""
    crops = CropDataset(clips, CharTokenizer(), None)
    rows: dict[str, list[list[float]]] = {}
    for index, clip in enumerate(clips):
        real, other = crops.crop(clip), crops.crop(clips[(index + 1) % len(clips)])
        for name, corrupted in ladder(real, other).items():
            losses = expert.scores(corrupted, real, clip.text)
            rows.setdefault(name, []).append([losses[level] for level in LEVELS])
    return {name: np.array(values) for name, values in rows.items()}


def gap_line(gaps: np.ndarray) -> str:
    """Mean differences (N, levels) of the losses with their intervals, and the share of clips with a higher loss."""
    draws = np.random.default_rng(0).integers(0, len(gaps), (RESAMPLES, len(gaps)))
    low, high = np.percentile(gaps[draws].mean(1), (2.5, 97.5), axis=0)
    rows = zip(LEVELS, gaps.mean(0), low, high, (gaps > 0).mean(0), strict=True)
    return ", ".join(f"{n} {mean:+.3f} [{a:+.3f}, {b:+.3f}], {share:.0%} of clips" for n, mean, a, b, share in rows)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--manifest", required=True, metavar="JSONL")
    options.add_argument("--model", default="grid", metavar="MODEL")
    options.add_argument("--clips", type=int, default=100)
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    clips = read_manifest(args.manifest)[: args.clips]
    by_fault = losses_by_fault(Expert(load_model(args.model)), clips)
    for name, losses in by_fault.items():
        print(f"{name}: " + ", ".join(f"{n} {v:.3f}" for n, v in zip(LEVELS, losses.mean(0), strict=True)))
    for before, after in pairwise(by_fault):
        print(f"{before} -> {after}: {gap_line(by_fault[after] - by_fault[before])}")


if __name__ == "__main__":
    main()
