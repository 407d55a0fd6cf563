"""`lip2speech results`: the figures of an evaluated run become RESULTS.md."""

from __future__ import annotations

import argparse

HELP = "write RESULTS.md and result.json of a run"
ABOUT = """Renders the figures of an evaluated run as a page, with date, commit, machine and the
command that reproduces them. The page keeps the rows of earlier runs; a run of the same
model, tag and list replaces its own row."""
FILES = """reads   model/config.json and decode_LIST_TAG/result.json of the run (without a tag:
        result/result.json)
writes  the page, and result.json (this run) and runs.jsonl (all runs) beside it"""
SEE = "lip2speech evaluate"
EXAMPLE = 'lip2speech results --run exp/flow --command "egs/grid/lip2speech/run.sh" --out RESULTS.md'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--run", required=True, metavar="DIR", help="folder of the run, with model/ and its figures")
    parser.add_argument("--tag", default="", help="name of the synthesis settings, for row and folder")
    parser.add_argument("--list", default="", help="the test list")
    parser.add_argument("--command", required=True, help="the command that made the run, for the page")
    parser.add_argument("--out", required=True, metavar="FILE", help="the page; the two files go beside it")


def run(args: argparse.Namespace) -> int:
    """Collect and write. Raises VsrError."""
    from lip2speech.evaluation.results import write_results

    write_results(args.run, args.command, args.out, args.tag, args.list)
    return 0
