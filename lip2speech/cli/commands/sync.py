"""`lip2speech sync`: measure the offset between sound and video of each clip."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vsr.cli.options import positive

HELP = "measure the offset between sound and video for each clip"
ABOUT = """Measures by how much the sound of each clip is early or late against its video, to a few
milliseconds, with a network trained on the other clips of the corpus. lip2speech features
--offsets then shifts the sound to the video's clock, so that a model learns sharp onsets.
No model is needed. A lag common to all clips cannot be detected. An hour of clips takes 100
MB of memory per process."""
FILES = """reads   manifests of cropped clips, their crops and features
writes  the offsets (JSON); with --waves: ID.wav, the recordings of --also in time"""
SEE = "lip2speech features, lip2speech evaluate"
EXAMPLE = """lip2speech sync --manifest data/crops/train/manifest.jsonl --features features --out offsets.json
lip2speech features --manifest data/crops/train/manifest.jsonl --units data/units.safetensors \\
    --offsets offsets.json --out features"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", required=True, nargs="+", metavar="FILE", help="manifests of cropped clips")
    parser.add_argument("--also", nargs="+", default=[], metavar="FILE", help="clips to measure, but not to train on")
    parser.add_argument("--features", required=True, metavar="DIR", help="folder of lip2speech features")
    parser.add_argument("--out", required=True, metavar="FILE", help="JSON file of the offsets")
    parser.add_argument("--waves", metavar="DIR", help="folder for recordings of --also on the video's clock")
    parser.add_argument("--seed", type=int, default=0, help="of the networks (default: 0)")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Measure, save and print a summary. Raises VsrError."""
    from lip2speech.av_sync.offsets import measure
    from lip2speech.features.stored import with_features
    from vsr.core.file_kinds import json_kind
    from vsr.core.files import check_folder, check_output
    from vsr.core.numbers import SEED, check_number
    from vsr.data.manifest import read_manifests

    check_number("--seed", args.seed, SEED, "bad_options")
    offsets = json_kind("offsets of lip2speech sync", "reliability", "clips")
    check_output(args.out, *args.manifest, *args.also, kind=offsets)
    clips, also = (read_manifests(paths) for paths in (args.manifest, args.also))
    (clips, clips_note), (also, also_note) = (with_features(group, args.features) for group in (clips, also))
    for note in filter(None, (clips_note, also_note)):
        print(f"lip2speech sync: {note}", file=sys.stderr)
    if args.waves:
        check_folder(args.waves, [f"{clip.id}.wav" for clip in also], *(clip.video for clip in also))
    measured = measure(clips, also, args.features, args.seed, args.jobs)
    measured.save(args.out)
    print(measured.summary())
    if args.waves:
        write_moved(also, measured.offsets(), Path(args.waves))
    return 0


def write_moved(clips, offsets: dict[str, float], folder: Path) -> None:
    """Write ID.wav of every clip: its own recording, shifted onto the video's clock."""
    from lip2speech.features.lag import shift_wave
    from vsr.data.sound import natural_wave
    from vsr.media.audio import write_wave

    for clip in clips:
        write_wave(folder / f"{clip.id}.wav", shift_wave(natural_wave(clip), offsets[clip.id]))
