#!/usr/bin/env python3
"""How much of a phone units hold, and how many units a sentence has.

    local/purity.py --units FILE... --lists JSONL...

Of each codebook: the share of 20 ms steps whose phone is the commonest of their unit in these lists, in %, and units
without repetitions for a clip. Clips of the puppet have their phones. Lists of one voice a language and of all voices
show how much of a voice units hold.
"""

import argparse
from statistics import fmean

import torch

from lip2speech.models.durations import runs
from lip2speech.training.unit_pairs import units_of
from vsr.data.manifest import read_manifests
from vsr.media.units import Codebook


def purity(clips, units) -> float:
    """Share of 20 ms steps whose phone is the commonest of their unit, in %."""
    counts: dict[tuple[int, str], int] = {}
    for clip in clips:
        own = units[clip.id]
        for label, start, end in clip.phones:
            for step in range(round(50 * start), min(len(own), round(50 * end))):
                key = int(own[step]), label
                counts[key] = counts.get(key, 0) + 1
    best: dict[int, int] = {}
    for (unit, _), count in counts.items():
        best[unit] = max(best.get(unit, 0), count)
    return 100 * sum(best.values()) / max(1, sum(counts.values()))


def main() -> None:
    """Measure and print."""
    own = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    own.add_argument("--units", nargs="+", required=True, metavar="FILE")
    own.add_argument("--lists", nargs="+", required=True, metavar="JSONL")
    args = own.parse_args()
    torch.set_num_threads(1)
    clips = read_manifests(args.lists)
    for path in args.units:
        codebook = Codebook.load(path)
        units = units_of(clips, codebook)
        each = fmean(len(runs(one.tolist())[0]) for one in units.values())
        print(f"{path}: {len(codebook)} units of {codebook.extractor}: purity {purity(clips, units):.1f} %, "
              f"{each:.1f} a clip without repetitions, {len(clips)} clips")  # fmt: skip


if __name__ == "__main__":
    main()
