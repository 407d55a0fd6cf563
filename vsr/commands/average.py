"""`vsr average`: the epochs of a run become one model folder."""

from __future__ import annotations

import argparse

HELP = "average the weights of a run's last epochs"
ABOUT = """Averages the weights of the last epochs of a run, which is steadier than any one of
them."""
FILES = """reads   the epochs that vsr train kept
writes  a model folder"""
SEE = "vsr train, vsr decode"
EXAMPLE = "vsr average --exp exp/video_transformer --last 10 --out exp/video_transformer/average"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--exp", required=True, metavar="DIR", help="folder of the run")
    parser.add_argument("--last", type=int, default=10, metavar="N", help="epochs to average (default: 10)")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the averaged model")


def run(args: argparse.Namespace) -> int:
    """Average and name the folder. Raises VsrError."""
    from vsr.training.averaging import average_epochs

    print(f"model: {average_epochs(args.exp, args.last, args.out)}")
    return 0
