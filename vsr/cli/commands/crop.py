"""`vsr crop`: a manifest of videos becomes a folder of mouth crops."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vsr.cli.options import add_engine_arguments
from vsr.data.crop_formats import STORES
from vsr.inference.executors import open_engine

HELP = "cut the mouths out of a corpus of videos"
ABOUT = """Detects and tracks the face in every clip of a manifest, aligns it to a mean face and keeps
the 96 x 96 pixels around the mouth. Crops that an earlier run made of the same video and
part are kept, so that a killed run continues; the command prints how many, and why others
are remade. A video that crashes the decoder costs only that clip. --tracks also computes
the attention mesh of every frame and keeps the points of the mouth, for models that read
both."""
FILES = """reads   a manifest and its videos
writes  ID.npy (T, 96, 96) or ID.mp4, manifest.jsonl, refused.json, gaps.json; ID.track.npz"""
SEE = "vsr validate, vsr tokens, vsr train"
EXAMPLE = """vsr crop --manifest data/train.jsonl --out data/crops --jobs 2
vsr crop --manifest data/train.jsonl --out data/crops --tracks
vsr crop --manifest data/train.jsonl --out data/crops --store video
vsr crop --manifest data/train.jsonl --out data/crops --engine ray --address head:6379"""

REFUSED = "refused.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", required=True, help="manifest of the clips (JSON Lines)")
    parser.add_argument("--out", required=True, help="folder for the crops, their manifest and the refusals")
    parser.add_argument(
        "--store", choices=STORES, default="npy",
        help="arrays; or videos of a twentieth of the size; or videos, bit for bit, of a quarter (default: npy)",
    )  # fmt: skip
    parser.add_argument("--tracks", action="store_true", help="also find the points of the mouth, on this machine")
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Crop and say how many clips came through; 1 where none did. Raises VsrError."""
    from vsr.cli.clip_list_messages import print_counts
    from vsr.data.cropping import crop_corpus
    from vsr.data.track_files import add_tracks

    engine = open_engine(args.engine, args.jobs, args.address)
    counts = crop_corpus(args.manifest, args.out, engine=engine, store=args.store)
    counts |= add_tracks(args.out, args.jobs) if args.tracks else {}
    status = print_counts(counts, "cropped", "kept")
    _tell_refused(Path(args.out) / REFUSED)
    return status


def _tell_refused(path: Path) -> None:
    """A line on stderr where clips were refused: how many, one of the reasons, and where all of them stand."""
    from vsr.core.files import read_json

    clips = read_json(path)["clips"] if path.is_file() else {}
    if clips:
        example = next(iter(clips.values()))["message"]
        print(f"vsr: {len(clips)} refused, such as {example} (all: {path})", file=sys.stderr)
