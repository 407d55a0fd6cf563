"""`vsr average`: the epochs of a run, or several models, become one model folder."""

from __future__ import annotations

import argparse

HELP = "average the weights of a run's last or best epochs, or of models"
ABOUT = """Averages the weights of the last epochs of a run, which is more stable than any single
epoch; of those of its epochs that were best on the development list (--best), which are
printed; or of models of which one was trained from another: their mean keeps more of what the
first knew. A run keeps its last trainer.keep_epochs epochs, and also its best ones if
trainer.keep_best is set."""
FILES = """reads   the epochs that vsr train kept; or model folders
writes  a model folder"""
SEE = "vsr train, vsr decode"
EXAMPLE = """vsr average --exp exp/video_transformer --last 10 --out exp/video_transformer/average
vsr average --exp exp/video_transformer --best 5 --out exp/video_transformer/best
vsr average --models exp/first/model exp/refined/model --out exp/mean/model"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--exp", metavar="DIR", help="folder of the run")
    what.add_argument("--models", nargs="+", metavar="DIR", help="model folders, equal in size and tokens")
    epochs = parser.add_mutually_exclusive_group()
    epochs.add_argument("--last", type=int, default=10, metavar="N", help="with --exp: the last epochs (default: 10)")
    epochs.add_argument("--best", type=int, metavar="N", help="with --exp: the best epochs on the dev list instead")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the averaged model")


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return {"last": "--exp", "best": "--exp"} if args.models else {}


def run(args: argparse.Namespace) -> int:
    """Average and name the folder. Raises VsrError."""
    check_runs(args)
    from vsr.training.averaging import average_best, average_epochs, average_models, check_place

    check_place(args.out, args.models, args.exp)
    if args.models:
        folder = average_models(args.models, args.out)
    elif args.best is not None:
        folder = average_best(args.exp, args.best, args.out)
    else:
        folder = average_epochs(args.exp, args.last, args.out)
    print(f"model: {folder}")
    return 0


def check_runs(args: argparse.Namespace) -> None:
    """Refuse a run that is absent, a model alone, and one that would count twice. Raises VsrError bad_options."""
    from itertools import combinations
    from pathlib import Path

    from vsr.core.errors import VsrError
    from vsr.core.files import same_file

    if args.exp and not Path(args.exp).is_dir():
        raise VsrError("bad_options", f"--exp {args.exp}: there is no such folder of a run")
    if args.models and len(args.models) < 2:
        raise VsrError("bad_options", "one model is nothing to average: give two or more")
    for first, second in combinations(args.models or (), 2):
        if same_file(first, second):
            raise VsrError("bad_options", f"{second} is given twice, and would count twice: give each model once")
