"""`vsr score`: hypotheses against a manifest."""

from __future__ import annotations

import argparse

HELP = "word and character error rates of decoded text"
ABOUT = """Compares what was read with what was said: word and character error rate with
substitutions, deletions and insertions, the share that was scored, and a 95 % interval
by bootstrap over the clips. The normaliser is named in every result."""
FILES = """reads   a manifest; JSON Lines of vsr decode
writes  with --json: the figures; with --tsv: a line an utterance"""
SEE = "vsr decode, vsr results"
EXAMPLE = "vsr score --ref data/test.jsonl --hyp exp/hyp.jsonl --json exp/result.json --tsv exp/result.tsv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--ref", required=True, metavar="JSONL", help="manifest with the transcripts")
    parser.add_argument("--hyp", required=True, metavar="JSONL", help="output of vsr decode")
    parser.add_argument("--normaliser", default="lower", help="none, lower, alnum, 13a or whisper (default: lower)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--tsv", metavar="FILE", help="write one line an utterance there")


def run(args: argparse.Namespace) -> int:
    """Score and print one line. Raises VsrError."""
    from vsr.data.manifest import read_manifest
    from vsr.files import write_json
    from vsr.score import read_hypotheses, score, write_tsv

    references = {clip.id: clip.text for clip in read_manifest(args.ref)}
    total, each = score(references, read_hypotheses(args.hyp), args.normaliser)
    if args.json:
        write_json(args.json, total.as_dict())
    if args.tsv:
        write_tsv(args.tsv, each)
    print(total)
    return 0
