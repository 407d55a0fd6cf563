"""`vsr fuse`: a reader of pixels and a reader of tracks become one model folder."""

from __future__ import annotations

import argparse

HELP = "join a reader of pixels and a reader of mouth points"
ABOUT = """Joins two models of the same tokens, of which one reads mouth crops and the other
tracks of mouth points, to one that reads both: their searches are one search. Where a clip
has no track, or the mesh is unsure of the face, the pixels are read alone."""
FILES = """reads   two model folders
writes  a model folder"""
SEE = "vsr train, vsr decode"
EXAMPLE = "vsr fuse --pixels exp/pixels/model --tracks exp/landmarks/model --out exp/fused/model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--pixels", required=True, metavar="DIR", help="model folder of the reader of mouth crops")
    parser.add_argument("--tracks", required=True, metavar="DIR", help="model folder of the reader of mouth points")
    parser.add_argument(
        "--weight", type=float, default=0.5, metavar="W", help="of the tracks beside the pixels, 0 to 1 (default: 0.5)"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the joined model")


def run(args: argparse.Namespace) -> int:
    """Join and name the folder. Raises VsrError."""
    from vsr.training.fusing import fuse_models

    print(f"model: {fuse_models(args.pixels, args.tracks, args.out, args.weight)}")
    return 0
