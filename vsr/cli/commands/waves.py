"""`vsr waves`: the sound of a corpus, on the clock of its crops."""

from __future__ import annotations

import argparse

HELP = "write the sound of a corpus of crops, for audio-visual readers"
ABOUT = """Reads the sound of every clip of a manifest of crops and writes it as a .wav at 16 kHz, 640
samples for each frame of the crop, whatever the container and its clocks. Its manifest
names these files; clips without sound stay in it, without one. Files that an earlier run
made from the same input are kept."""
FILES = """reads   a manifest that vsr crop wrote, and its videos
writes  ID.wav, manifest.jsonl"""
SEE = "vsr crop, vsr train, vsr decode"
EXAMPLE = """vsr waves --manifest data/crops/train/manifest.jsonl --out data/sound/train
vsr waves --manifest data/crops/test/manifest.jsonl --out data/sound/test --jobs 2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", required=True, metavar="JSONL", help="manifest that vsr crop wrote")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the sounds and their manifest")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes (default: chosen by the program)")


def run(args: argparse.Namespace) -> int:
    """Write the sounds and say how many there are; 1 where there is none. Raises VsrError."""
    from vsr.cli.clip_list_messages import print_counts
    from vsr.core.numbers import NOT_NEGATIVE, check_number
    from vsr.data.waves import write_waves

    check_number("--jobs", args.jobs, NOT_NEGATIVE)
    return print_counts(write_waves(args.manifest, args.out, args.jobs), "written", "kept")
