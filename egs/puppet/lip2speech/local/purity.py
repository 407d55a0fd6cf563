#!/usr/bin/env python3
"""Phone purity of units, and the number of units in a clip.

    local/purity.py --units FILE... --lists JSONL...

For each codebook: phone purity, the share of 20 ms steps whose phone is the most frequent of their unit in these lists
(in %), and the number of units per clip without repetitions. Clips of the puppet have phone times. Lists of one voice
per language and of all voices show how much the units depend on the voice.
"""

import argparse
from statistics import fmean

import torch

from lip2speech.models.durations import runs
from lip2speech.training.unit_pairs import units_of
from vsr.data.manifest import read_manifests
from vsr.media.units import Codebook


def purity(clips, units) -> float:
    """Share of 20 ms steps whose phone is the most frequent phone of their unit, in %."""
    counts: dict[tuple[int, str], int] = {}
    for clip in clips:
        clip_units = units[clip.id]
        for label, start, end in clip.phones:
            for step in range(round(50 * start), min(len(clip_units), round(50 * end))):
                key = int(clip_units[step]), label
                counts[key] = counts.get(key, 0) + 1
    best: dict[int, int] = {}
    for (unit, _), count in counts.items():
        best[unit] = max(best.get(unit, 0), count)
    return 100 * sum(best.values()) / max(1, sum(counts.values()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--lists", nargs="+", required=True, metavar="JSONL")
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips = read_manifests(args.lists)
    for path in args.units:
        codebook = Codebook.load(path)
        units = units_of(clips, codebook)
        mean_length = fmean(len(runs(clip_units.tolist())[0]) for clip_units in units.values())
        print(f"{path}: {len(codebook)} units of {codebook.extractor}: purity {purity(clips, units):.1f} %, "
              f"{mean_length:.1f} a clip without repetitions, {len(clips)} clips")  # fmt: skip


if __name__ == "__main__":
    main()
