"""`vsr download`: a corpus that may be fetched by anybody, resumed and checked."""

from __future__ import annotations

import argparse

HELP = "download a public corpus: grid (16 GB, CC BY 4.0)"
ABOUT = """Downloads a public corpus in parts that are resumed after an interruption and checked
against the published checksums."""
FILES = """reads   the corpus's public archive
writes  the folder that vsr prepare takes"""
SEE = "vsr prepare"
EXAMPLE = "vsr download grid --out data/GRID --speakers s1 s2"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("corpus_name", choices=("grid",), metavar="CORPUS", help="grid")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the corpus")
    parser.add_argument("--speakers", nargs="+", default=[], metavar="S", help="s1 ... s34 (default: all)")


def run(args: argparse.Namespace) -> int:
    """Fetch and print the counts. Raises VsrError."""
    from vsr.corpora.grid_download import download_grid

    counts = {"grid": download_grid}[args.corpus_name](args.out, args.speakers)
    print("  ".join(f"{name} {count}" for name, count in counts.items()))
    return 0
