"""`vsr score`: hypotheses against a manifest."""

from __future__ import annotations

import argparse

HELP = "word and character error rates of decoded text, accuracy of isolated words"
ABOUT = """Compares what was read with what was said: word and character error rate with
substitutions, deletions and insertions, the share that was scored, and a 95 % interval
by bootstrap over the clips. The normaliser is named in every result."""
FILES = """reads   a manifest; JSON Lines of vsr decode
writes  with --json: the figures; with --tsv: a line an utterance; with --wer: Kaldi's line"""
SEE = "vsr decode, vsr results"
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
    parser.add_argument("--wer", metavar="FILE", help="write Kaldi's line there: %%WER 4.33 [ 26 / 600, ...")


def run(args: argparse.Namespace) -> int:
    """Score and print one line. Raises VsrError."""
    from vsr.core.files import check_outputs, write_json, write_text
    from vsr.data.manifest import read_manifest
    from vsr.evaluation.topk import accuracy, read_ranked, write_ranks
    from vsr.evaluation.wer import origin, read_records, score, write_tsv
    from vsr.evaluation.wer_line import wer_line
    from vsr.evaluation.word_timing import time_errors

    check_outputs(filter(None, (args.json, args.tsv, args.wer)), args.ref, args.hyp)
    clips, records, times = read_manifest(args.ref), read_records(args.hyp), {}
    if args.accuracy:
        total, each = accuracy({clip.id: clip.text for clip in clips}, read_ranked(args.hyp))
    else:
        texts = {key: record["text"] for key, record in records.items()}
        total, each = score({clip.id: clip.text for clip in clips}, texts, args.normaliser)
        times = {"times": found} if (found := time_errors(clips, records)) else {}
    if args.json:
        write_json(args.json, total.as_dict() | times | {"scored_from": origin(args.ref, args.hyp)})
    if args.tsv:
        (write_ranks if args.accuracy else write_tsv)(args.tsv, each)
    if args.wer:
        write_text(args.wer, wer_line(total.as_dict()) + "\n")
    print(total)
    if times:
        print("word times off by {mean_ms} ms (median {median_ms} ms), {words} words".format(**times["times"]))
    return 0
