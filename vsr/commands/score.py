"""`vsr score`: hypotheses against a manifest."""

from __future__ import annotations

import argparse

HELP = "word and character error rates of decoded text, accuracy of isolated words"
EXAMPLE = """vsr score --ref data/test.jsonl --hyp exp/hyp.jsonl --json exp/result.json --tsv exp/result.tsv
vsr score --ref lrw/test.jsonl --hyp exp/lrw.jsonl --accuracy"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--ref", required=True, metavar="JSONL", help="manifest with the transcripts")
    parser.add_argument("--hyp", required=True, metavar="JSONL", help="output of vsr decode")
    parser.add_argument("--normaliser", default="lower", help="none, lower, alnum, 13a or whisper (default: lower)")
    parser.add_argument("--accuracy", action="store_true", help="of isolated words: top-1 and top-5, instead of errors")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--tsv", metavar="FILE", help="write one line an utterance there")


def run(args: argparse.Namespace) -> int:
    """Score and print one line. Raises VsrError."""
    from vsr.data.manifest import read_manifest
    from vsr.files import write_json

    references = {clip.id: clip.text for clip in read_manifest(args.ref)}
    if args.accuracy:
        from vsr.accuracy import accuracy, read_ranked, write_ranks

        total, each = accuracy(references, read_ranked(args.hyp))
    else:
        from vsr.score import read_hypotheses, score, write_tsv

        total, each = score(references, read_hypotheses(args.hyp), args.normaliser)
    if args.json:
        write_json(args.json, total.as_dict())
    if args.tsv:
        (write_ranks if args.accuracy else write_tsv)(args.tsv, each)
    print(total)
    return 0
