"""`vsr rescore`: n-best lists are put in a new order by the attention decoder and by language models."""

from __future__ import annotations

import argparse

from vsr.cli.options import add_model_argument
from vsr.cli.search_options import add_language_arguments, language_files, language_options
from vsr.core.machine import add_device_argument

HELP = "rescore n-best lists with the attention decoder and language models"
ABOUT = """Reorders n-best lists by the attention decoder's score of each hypothesis, plus a weight
times its previous score."""
FILES = """reads   a manifest that vsr crop wrote, and its crops; n-best lists; a model
writes  JSON Lines, one hypothesis per clip"""
SEE = "vsr decode, vsr posteriors, vsr score"
EXAMPLE = """vsr rescore --manifest data/crops/test/manifest.jsonl --nbest exp/hlg.jsonl --out exp/rescored.jsonl
vsr rescore --manifest test.jsonl --nbest exp/test.jsonl --weight 1 --lm exp/lm/model --out exp/rescored.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model_argument(parser)
    parser.add_argument("--manifest", required=True, metavar="JSONL", help="manifest that vsr crop wrote")
    parser.add_argument("--nbest", required=True, metavar="JSONL", help="hypotheses of vsr decode or lattice.py")
    parser.add_argument(
        "--weight", type=float, default=0.1, metavar="W",
        help="weight of the list's own score; 1 leaves the decoder out (default: 0.1)",
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="JSONL", help="hypotheses, one per line")
    add_device_argument(parser, "auto")
    add_language_arguments(parser.add_argument_group("language models"))


def run(args: argparse.Namespace) -> int:
    """Rescore, and print how many best texts changed. Raises VsrError."""
    from pathlib import Path

    from vsr.core.artifacts import Ledger, identify
    from vsr.core.file_kinds import HYPOTHESES
    from vsr.core.files import check_output

    check_output(args.out, args.manifest, args.nbest, *language_files(args), kind=HYPOTHESES)
    given = language_options(args)
    from vsr.decoding.corpus import decoded_from
    from vsr.decoding.options import DecodeOptions
    from vsr.decoding.rescore import rescore_manifest
    from vsr.decoding.shallow_fusion import languages_of
    from vsr.modelstore.folder import load_model

    loaded, options = load_model(args.model, args.device), DecodeOptions(**given)
    languages = languages_of(loaded, options)
    made = decoded_from(loaded, args.manifest, options) | {"weight": args.weight, "nbest": identify(args.nbest)}
    changed = rescore_manifest(loaded, args.manifest, args.nbest, args.out, args.weight, languages)
    Ledger(Path(args.out).parent).add(Path(args.out).name, made)
    print(f"{changed} clips have a new best text in {args.out}")
    return 0
