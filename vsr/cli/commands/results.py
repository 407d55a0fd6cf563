"""`vsr results`: the scores of a run become RESULTS.md."""

from __future__ import annotations

import argparse

HELP = "render RESULTS.md from the scores of a run"
ABOUT = """Renders the scores of a run as a page, with date, commit, machine and the command that
makes them again."""
FILES = """reads   model/config.json and result/*.json of the run
writes  the page, and result.json beside it"""
SEE = "vsr score, vsr push"
EXAMPLE = "vsr results --run exp/video_transformer --command 'run.sh --corpus GRID' --out RESULTS.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--run", required=True, metavar="DIR", help="folder with model/ and result/*.json")
    parser.add_argument("--command", required=True, help="what to type to get these figures again")
    parser.add_argument("--note", default="", help="a paragraph under the table: what its lists are")
    parser.add_argument("--out", required=True, metavar="MD", help="the page; result.json is written beside it")


def run(args: argparse.Namespace) -> int:
    """Render and print the table. Raises VsrError."""
    from vsr.evaluation.results import row, write_results

    result = write_results(args.run, args.command, args.out, args.note)
    print("\n".join(row(name, scores) for name, scores in result["scores"].items()))
    return 0
