"""`lip2speech results`: the figures of an evaluated run become RESULTS.md."""

from __future__ import annotations

import argparse

HELP = "write RESULTS.md and result.json of a run"
ABOUT = """Renders the figures of an evaluated run as a page, with date, commit, machine and the
command that makes them again."""
FILES = """reads   model/config.json and result/result.json of the run
writes  the page, and result.json beside it"""
SEE = "lip2speech evaluate"
EXAMPLE = 'lip2speech results --run exp/flow --command "egs/grid/lip2speech/run.sh" --out RESULTS.md'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--run", required=True, metavar="DIR", help="folder of the run, with model/ and result/")
    parser.add_argument("--command", required=True, help="what made the run, for the page")
    parser.add_argument("--out", required=True, metavar="FILE", help="the page; result.json is written beside it")


def run(args: argparse.Namespace) -> int:
    """Collect and write. Raises VsrError."""
    from lip2speech.evaluation.results import write_results

    write_results(args.run, args.command, args.out)
    return 0
