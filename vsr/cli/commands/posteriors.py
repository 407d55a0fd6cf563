"""`vsr posteriors`: a manifest of mouth crops becomes CTC log-probabilities for `vsr.decoding.lattice`."""

from __future__ import annotations

import argparse

from vsr.cli.options import add_model_argument
from vsr.core.machine import add_device_argument

HELP = "write CTC log-probabilities for graph decoding"
ABOUT = """Writes the CTC log-probabilities of each clip with the token list and, for a grammar, the
lexicon: everything that vsr/decoding/lattice.py needs to search graphs with k2, in its own
environment (tools/k2.sh)."""
FILES = """reads   a manifest that vsr crop wrote, and its crops; a model; an ARPA file
writes  a folder with safetensors, tokens, grammar and lexicon"""
SEE = "vsr rescore, vsr decode"
EXAMPLE = "vsr posteriors --manifest data/crops/test/manifest.jsonl --grammar grid --out exp/posteriors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_model_argument(parser)
    parser.add_argument("--manifest", required=True, metavar="JSONL", help="manifest that vsr crop wrote")
    parser.add_argument("--grammar", metavar="ARPA", help="ARPA file, or grid: adds grammar and lexicon")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the result")
    add_device_argument(parser, "auto")


def run(args: argparse.Namespace) -> int:
    """Write the folder and print how many clips there were. Raises VsrError."""
    from pathlib import Path

    from vsr.cli.clip_list_messages import tell_few_frames
    from vsr.core.files import check_outputs
    from vsr.data.frame_rates import slow_clips
    from vsr.data.manifest import read_manifest
    from vsr.decoding.posteriors import FILES as WRITTEN
    from vsr.decoding.posteriors import write_posteriors
    from vsr.modelstore.folder import load_model

    outputs = ((Path(args.out) / name, kind) for name, kind in WRITTEN.items())
    check_outputs(outputs, args.manifest, *filter(None, (args.grammar,)))
    count = write_posteriors(load_model(args.model, args.device), args.manifest, args.out, args.grammar)
    print(f"log-probabilities of {count} clips in {args.out}")
    tell_few_frames(slow_clips(read_manifest(args.manifest)), count)
    return 0
