"""`vsr fuse`: a reader of pixels and a reader of tracks become one model folder."""

from __future__ import annotations

import argparse

HELP = "fuse a reader of pixels and a reader of mouth points"
ABOUT = """Fuses a model that reads mouth crops in characters with one that reads tracks of mouth
points in words: the search adds the CTC score of the tracks for the words of a text. If a
clip has no track, or the mesh is unsure of the face, only the pixels are read."""
FILES = """reads   two model folders
writes  a model folder"""
SEE = "vsr train, vsr decode"
EXAMPLE = """vsr fuse --pixels exp/pixels/model --tracks exp/landmarks/model --out exp/fused/model
vsr fuse --pixels exp/pixels/model --tracks exp/landmarks/model --weights 0.7 3 --entropies 0.11 0.13 --out exp/fused"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--pixels", required=True, metavar="DIR", help="model folder of the reader of mouth crops")
    parser.add_argument("--tracks", required=True, metavar="DIR", help="model folder of the reader of mouth points")
    _add_pair(
        parser, "--weights", (1.0, 1.0), ("KNOWN", "UNKNOWN"),
        "weight of the tracks' CTC in the joint score, for known and unknown speakers (default: 1 1)",
    )  # fmt: skip
    _add_pair(
        parser, "--entropies", (0.0, 1.0), ("LOW", "HIGH"),
        "entropy of the pixels' CTC, in nats: up to LOW they know the speaker, from HIGH on not (default: 0 1)",
    )  # fmt: skip
    aside = "heads turned further aside than this are read from pixels alone (default: 0, no limit)"
    parser.add_argument("--widest-turn", type=float, default=0.0, metavar="DEGREES", help=aside)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the fused model")


def _add_pair(parser, flag: str, default: tuple[float, float], names: tuple[str, str], text: str) -> None:
    """An option of two numbers."""
    parser.add_argument(flag, type=float, nargs=2, default=default, metavar=names, help=text)


def run(args: argparse.Namespace) -> int:
    """Join and name the folder. Raises VsrError."""
    from vsr.core.errors import VsrError
    from vsr.training.fusing import check_place, fuse_models

    if not 0 <= args.widest_turn <= 90:
        raise VsrError("bad_options", f"--widest-turn is from 0 to 90 degrees, not {args.widest_turn:g}")
    check_place(args.out, args.pixels, args.tracks)
    rule = tuple(args.weights), tuple(args.entropies), args.widest_turn
    print(f"model: {fuse_models(args.pixels, args.tracks, args.out, *rule)}")
    return 0
