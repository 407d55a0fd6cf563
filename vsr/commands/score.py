"""`vsr score`: hypotheses against a manifest."""

from __future__ import annotations

import argparse

HELP = "word and character error rates of decoded text"
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
    from vsr.score import read_records, score, write_tsv
    from vsr.timing import time_errors

    clips, records = read_manifest(args.ref), read_records(args.hyp)
    texts = {key: record["text"] for key, record in records.items()}
    total, each = score({clip.id: clip.text for clip in clips}, texts, args.normaliser)
    times = time_errors(clips, records)
    if args.json:
        write_json(args.json, total.as_dict() | {"times": times})
    if args.tsv:
        write_tsv(args.tsv, each)
    print(total)
    if times:
        print("word times off by {mean_ms} ms (median {median_ms} ms), {words} words".format(**times))
    return 0
