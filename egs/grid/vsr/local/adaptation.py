#!/usr/bin/env python3
"""Gain of `vsr adapt` for each speaker of a list of crops, by the number of adaptation clips.

    local/adaptation.py --manifest data/crops/unseen/manifest.jsonl --model grid-tracks --clips 5 --rotations 2

Each speaker's clips are shuffled by the seed; each rotation adapts to the next --clips of them and reads all others.
The word times of the manifest are not used: people who transcribe a few clips have none. Prints a line for each
rotation, then the sums; a clip that several rotations read counts in each.
"""

import argparse
from collections import defaultdict
from dataclasses import replace

import numpy as np

from vsr.data.manifest import Clip, read_manifest
from vsr.decoding.corpus import records_of
from vsr.decoding.defaults import options_for
from vsr.evaluation.wer import word_errors
from vsr.modelstore.folder import LoadedModel, load_model
from vsr.text.normalise import lower
from vsr.training.adapting import AdaptationSettings, adapt_model
from vsr.training.tuned_parts import KINDS


def rotations_of(clips: list[Clip], count: int, rotations: int, seed: int) -> list[tuple[list[Clip], list[Clip]]]:
    """(adaptation clips, all other clips) of each rotation; no clip is adapted to in two rotations."""
    order = np.random.default_rng(seed).permutation(len(clips)).tolist()
    pairs = []
    for first in range(0, min(len(clips), rotations * count) - count + 1, count):
        chosen = set(order[first : first + count])
        parts = [
            [clip for index, clip in enumerate(clips) if (index in chosen) is is_chosen] for is_chosen in (True, False)
        ]
        pairs += [(parts[0], parts[1])] if parts[1] else []
    return pairs


def errors(loaded: LoadedModel, clips: list[Clip]) -> np.ndarray:
    """(wrong words, words) of clips."""
    texts = {clip.id: lower(clip.text) for clip in clips}
    records = records_of(loaded, clips, options_for(loaded), calibrated=False)
    return np.sum([word_errors(texts[record["id"]], lower(record["text"])) for record in records], axis=0)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--manifest", required=True)
    options.add_argument("--model")
    options.add_argument("--clips", type=int, nargs="+", default=[5])
    options.add_argument("--rotations", type=int, default=2)
    options.add_argument("--what", choices=KINDS, default="adapters")
    options.add_argument("--seed", type=int, default=0)
    return options


def main() -> None:
    """Measure and print."""
    args = parser().parse_args()
    loaded, speakers = load_model(args.model), defaultdict(list)
    for clip in read_manifest(args.manifest):
        speakers[clip.speaker].append(replace(clip, words=()))
    for count in args.clips:
        total = np.zeros(4, int)
        for speaker, clips in sorted(speakers.items()):
            for adaptation_clips, others in rotations_of(clips, count, args.rotations, args.seed):
                after = errors(
                    adapt_model(loaded, adaptation_clips, AdaptationSettings(args.what, seed=args.seed)), others
                )
                row = np.concatenate([errors(loaded, others), after])
                print(f"{speaker} {count} clips: {row[0]} of {row[1]} words wrong before, {row[2]} after", flush=True)
                total += row
        before, after = (100 * total[[0, 2]] / max(1, total[1])).tolist()
        print(f"all, {count} clips: WER {before:.1f} % before, {after:.1f} % after, of {total[1]} words")


if __name__ == "__main__":
    main()
