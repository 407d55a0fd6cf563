#!/usr/bin/env python3
"""Measures how often `lip2speech match` finds by synchrony which face speaks a recording.

    local/match_rows.py --manifest FILE [--most N] [--json FILE]

Every recording of a list of crops (its first N) is compared with every face, all speaking the same kind of sentence.
Prints how often the right face ranks first, how often it counts as speaking, how often another one does, and the
distance of the estimated shift from the right one (frames). Run it in the folder that the manifest's paths are relative
to.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from lip2speech.inference.matching import SPEAKS, best_shift
from vsr.core.clock import SAMPLES_PER_FRAME
from vsr.core.files import write_text
from vsr.data.manifest import read_manifest
from vsr.decoding.synchrony import load_synchrony
from vsr.media.audio import read_wave


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--manifest", required=True)
    options.add_argument("--most", type=int, default=40, metavar="N")
    options.add_argument("--json", type=Path, metavar="FILE")
    return options


def main() -> None:
    args = parser().parse_args()
    torch.set_num_threads(1)
    model, clips = load_synchrony(), read_manifest(args.manifest)[: args.most]
    waves = [read_wave(clip.video) for clip in clips]
    hear = [model.hear(wave[: len(wave) // SAMPLES_PER_FRAME * SAMPLES_PER_FRAME]) for wave in waves]
    see = [model.see(np.load(clip.crop)) for clip in clips]
    with torch.inference_mode():
        matches = [[best_shift(model, face, sound) for face in see] for sound in hear]
    scores = np.array([[score for _, score in row] for row in matches])
    right = np.eye(len(clips), dtype=bool)
    errors = [abs(matches[index][index][0]) for index in range(len(clips))]
    figures = {
        "clips": len(clips), "first": int((scores.argmax(1) == np.arange(len(clips))).sum()),
        "speaks": int((scores[right] > SPEAKS).sum()), "others": int((scores[~right] > SPEAKS).sum()),
        "pairs": int((~right).sum()), "off": int(np.median(errors)), "within_one": int((np.array(errors) <= 1).sum()),
    }  # fmt: skip
    print(json.dumps(figures))
    if args.json:
        write_text(args.json, json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
