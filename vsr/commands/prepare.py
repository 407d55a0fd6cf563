"""`vsr prepare`: a corpus on disk, or one rendered on the spot, becomes named manifests."""

from __future__ import annotations

import argparse

HELP = "make the manifests of a corpus: grid, lrs3, lrs2, lrw, or puppet (rendered here)"
CORPORA = ("grid", "lrs3", "lrs2", "lrw", "puppet")
EXAMPLE = """vsr prepare grid --corpus GRID --out data/manifests
vsr prepare lrs3 --corpus LRS3 --lists LISTS --out data/manifests
vsr prepare puppet --out data/puppet --train 160 --dev 10 --test 60 --jobs 2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("corpus_name", choices=CORPORA, metavar="CORPUS", help=", ".join(CORPORA))
    parser.add_argument("--corpus", metavar="DIR", help="the folder that holds the corpus (all but puppet)")
    parser.add_argument("--lists", metavar="DIR", help="lrs3, lrs2: folder with the published lists of clips")
    parser.add_argument(
        "--max-seconds", type=float, default=16.0, metavar="S", help="lrs3, lrs2: cut longer clips (default: 16)"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the manifests (and puppet's videos)")
    parser.add_argument("--seed", type=int, default=0, help="of the lists, and of what is rendered (default: 0)")
    for name, count in (("train", 160), ("dev", 10), ("test", 60)):
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help=f"puppet: clips (default: {count})")
    parser.add_argument("--vocabulary", default="grid", help="puppet: grid, or a text file of sentences")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="puppet: processes (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Prepare and print the counts. Raises VsrError."""
    if args.corpus_name == "puppet":
        from vsr.corpora.puppet import prepare_puppet

        counts = prepare_puppet(args.out, args.train, args.dev, args.test, args.seed, args.vocabulary, args.jobs)
    elif args.corpus_name == "grid":
        from vsr.corpora.grid import prepare_grid

        counts = prepare_grid(_folder(args), args.out, args.seed)
    else:
        print("\n".join(_report(args).lines()))
        return 0
    print("  ".join(f"{name} {count}" for name, count in counts.items()))
    return 0


def _folder(args: argparse.Namespace) -> str:
    from vsr.errors import VsrError

    if not args.corpus:
        raise VsrError("bad_corpus", f"prepare {args.corpus_name} needs --corpus, the folder that holds the corpus")
    return args.corpus


def _report(args: argparse.Namespace):
    """Prepare a corpus whose published counts are known."""
    if args.corpus_name == "lrs3":
        from vsr.corpora.lrs3 import prepare_lrs3

        return prepare_lrs3(_folder(args), args.out, args.lists, args.seed, args.max_seconds)
    if args.corpus_name == "lrs2":
        from vsr.corpora.lrs2 import prepare_lrs2

        return prepare_lrs2(_folder(args), args.out, args.lists, args.max_seconds)
    from vsr.corpora.lrw import prepare_lrw

    return prepare_lrw(_folder(args), args.out)
