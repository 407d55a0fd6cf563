"""`vsr results`: the scores of a run become RESULTS.md."""

from __future__ import annotations

import argparse

HELP = "render RESULTS.md from the scores of a run"
ABOUT = """Renders the scores of a run as a page, with date, commit, machine and the command that
reproduces them; for a published model, with its published figure beside them. The page
keeps the rows of earlier runs; a run of the same model and tag replaces its own row."""
FILES = """reads   model/config.json and decode_LIST_TAG/score*.json of the run (without a tag:
        result/*.json)
writes  the page, and result.json (this run) and runs.jsonl (all runs) beside it"""
SEE = "vsr score, vsr push"
EXAMPLE = "vsr results --run exp/video_transformer --tag beam10 --command 'run.sh --corpus GRID' --out RESULTS.md"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--run", required=True, metavar="DIR", help="folder with model/ and what was scored")
    parser.add_argument("--model", metavar="MODEL", help="the model that was scored, if not model/ of the run")
    parser.add_argument("--tag", default="", help="name of the search settings, for row and folders")
    parser.add_argument("--lists", nargs="+", default=[], metavar="LIST", help="lists of the tag (default: all)")
    parser.add_argument("--command", required=True, help="the command that reproduces these figures")
    parser.add_argument("--note", default="", help="a paragraph under the table: what its lists are")
    parser.add_argument("--out", required=True, metavar="MD", help="the page; result.json and runs.jsonl go beside it")


def run(args: argparse.Namespace) -> int:
    """Render and print the table. Raises VsrError."""
    from vsr.evaluation.results import write_results
    from vsr.evaluation.results_page import row

    result = write_results(args.run, args.command, args.out, args.note, args.tag, args.lists, args.model)
    print("\n".join(row(name, scores) for name, scores in result["scores"].items()))
    return 0
