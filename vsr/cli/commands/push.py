"""`vsr push`: a model folder goes to the hub, with a page about it."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "publish a model folder on the hub (huggingface.co)"
ABOUT = """Loads the model once to check that it is complete, and commits weights, configuration and
tokenizer to the repository, with a page made from MODEL_CARD.md (or else the
configuration), the figures of --results and the licence. No other file of the folder is
uploaded. Log in first with: hf auth login."""
FILES = """reads   a model folder; result.json of vsr results
writes  nothing here; on the hub: the model's files and README.md"""
SEE = "vsr results, vsr transcribe, lip2speech push"
EXAMPLE = """vsr push exp/model org/name --licence apache-2.0 --results egs/grid/vsr/result.json
vsr push exp/model org/name --licence cc-by-4.0 --private --dry-run"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("folder", metavar="FOLDER", help="the model")
    parser.add_argument("repository", metavar="ORG/NAME", help="destination; created if needed")
    parser.add_argument("--licence", metavar="ID", help="its name on the hub, such as apache-2.0")
    parser.add_argument("--results", metavar="JSON", help="result.json with the figures for the page")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--message", default="Model", metavar="TEXT", help="message of the commit (default: Model)")
    parser.add_argument("--dry-run", action="store_true", help="print the page and the files, send nothing")


def run(args: argparse.Namespace) -> int:
    """Check, send and print the address. Raises VsrError."""
    from vsr.evaluation.card import lip_reader_card
    from vsr.modelstore.checkpoint import read_config
    from vsr.modelstore.folder import LANGUAGE_MODEL, load_language_model, load_model

    folder = Path(args.folder)
    config = read_config(folder)
    (load_language_model if config.get("kind") == LANGUAGE_MODEL else load_model)(folder)
    return deliver(folder, lip_reader_card(folder, config, args.repository, args.licence, args.results), args)


def deliver(folder: Path, card: str, args: argparse.Namespace) -> int:
    """Send a model and its card, or show what would be sent. Raises VsrError."""
    from vsr.modelstore.repository import model_files, send

    if args.dry_run:
        print(card + "\nfiles: " + ", ".join(["README.md", *model_files(folder)]))
    else:
        print(send(folder, args.repository, card, args.private, args.message))
    return 0
