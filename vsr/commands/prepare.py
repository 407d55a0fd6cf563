"""`vsr prepare`: a corpus on disk, or one rendered on the spot, becomes named manifests."""

from __future__ import annotations

import argparse

HELP = "make the manifests of a corpus: grid, or puppet (rendered here)"
EXAMPLE = """vsr prepare grid --corpus GRID --out data/manifests
vsr prepare puppet --out data/puppet --train 160 --dev 10 --test 60 --jobs 2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("corpus_name", choices=("grid", "puppet"), metavar="CORPUS", help="grid or puppet")
    parser.add_argument("--corpus", metavar="DIR", help="grid: the folder with s1, s2, ...")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the manifests (and puppet's videos)")
    parser.add_argument("--seed", type=int, default=0, help="of the lists, and of what is rendered (default: 0)")
    for name, count in (("train", 160), ("dev", 10), ("test", 60)):
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help=f"puppet: clips (default: {count})")
    parser.add_argument("--vocabulary", default="grid", help="puppet: grid, or a text file of sentences")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="puppet: processes (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Prepare and print the counts. Raises VsrError."""
    from vsr.errors import VsrError

    if args.corpus_name == "puppet":
        from vsr.corpora.puppet import prepare_puppet

        counts = prepare_puppet(args.out, args.train, args.dev, args.test, args.seed, args.vocabulary, args.jobs)
    else:
        from vsr.corpora.grid import prepare_grid

        if not args.corpus:
            raise VsrError("bad_corpus", "prepare grid needs --corpus, the folder that holds s1, s2, ... of GRID")
        counts = prepare_grid(args.corpus, args.out, args.seed)
    print("  ".join(f"{name} {count}" for name, count in counts.items()))
    return 0
