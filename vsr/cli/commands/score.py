"""`vsr score`: hypotheses against a manifest."""

from __future__ import annotations

import argparse

HELP = "compute error rates, accuracy of isolated words, BLEU and chrF"
ABOUT = """Compares hypotheses with references: word and character error rate with substitutions,
deletions and insertions, the share that was scored, and a 95 % bootstrap interval over
clips. The normaliser is named in every result. --unit phoneme and viseme convert both with
pronunciation dictionaries; of a word with several pronunciations the closest counts. --by
lists which words are read worse. Translations are scored against those of the manifest, by
BLEU or chrF with sacrebleu's signature."""
FILES = """reads   a manifest; JSON Lines of vsr decode, or manifests for --prior
writes  with --json: the figures; with --tsv: one line per utterance; with --wer: Kaldi's line"""
SEE = "vsr decode, vsr results"
EXAMPLE = """vsr score --ref data/test.jsonl --hyp exp/hyp.jsonl --json exp/result.json --tsv exp/result.tsv
vsr score --ref data/test.jsonl --hyp exp/phones.jsonl --unit phoneme --dictionary my.txt cmu
vsr score --ref data/test.jsonl --hyp exp/hyp.jsonl --by viseme frequency
vsr score --ref data/test.jsonl --prior data/train.jsonl
vsr score --ref data/test.jsonl --hyp exp/es.jsonl --metric bleu --translation es
vsr score --ref lrw/test.jsonl --hyp exp/lrw.jsonl --accuracy"""


UNITS = ("char", "phoneme", "viseme")
METRICS = ("bleu", "chrf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--ref", required=True, metavar="JSONL", help="manifest with the transcripts")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--hyp", metavar="JSONL", help="output of vsr decode")
    guess = "score what is right without video: the most frequent word of each place in these manifests"
    what.add_argument("--prior", nargs="+", metavar="JSONL", help=guess)
    parser.add_argument("--normaliser", default="lower", help="none, lower, alnum, 13a or whisper (default: lower)")
    counted = "what is counted: word, char, phoneme, viseme (default: word)"
    parser.add_argument("--unit", choices=("word", *UNITS), default="word", metavar="UNIT", help=counted)
    parser.add_argument(
        "--dictionary", nargs="+", default=["cmu", "espeak"], metavar="NAME", help="as vsr tokens (default: cmu espeak)"
    )
    parser.add_argument(
        "--by", nargs="+", choices=("viseme", "frequency"), default=[], metavar="WHAT",
        help="viseme, frequency: word errors of words that hold each viseme, of frequent and of rare words",
    )  # fmt: skip
    parser.add_argument("--counted-in", metavar="JSONL", help="manifest that shows how frequent words are (--ref)")
    metric = "for translations: bleu or chrf, by sacrebleu (default: error rates)"
    parser.add_argument("--metric", choices=("wer", *METRICS), default="wer", metavar="M", help=metric)
    parser.add_argument("--translation", default="", metavar="LANG", help="score against the text in this language")
    parser.add_argument("--accuracy", action="store_true", help="for isolated words: top-1 and top-5, not errors")
    _add_outputs(parser)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    """Files of figures."""
    parser.add_argument("--json", metavar="FILE", help="write the figures to this file")
    parser.add_argument("--tsv", metavar="FILE", help="write one line per utterance to this file")
    parser.add_argument("--wer", metavar="FILE", help="write Kaldi's line to this file: %%WER 4.33 [ 26 / 600, ...")


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    spelled = args.unit in ("phoneme", "viseme") or "viseme" in args.by
    where = {} if spelled else {"dictionary": "--unit phoneme, --unit viseme or --by viseme"}
    return where | ({"normaliser": "texts, not with --accuracy"} if args.accuracy else {})


def run(args: argparse.Namespace) -> int:
    """Score and print one line. Raises VsrError."""
    from vsr.data.manifest import read_manifest
    from vsr.evaluation.wer import read_records

    _check_options(args)
    _check_outputs(args)
    clips = _in_language(read_manifest(args.ref), args.translation)
    records = _prior(args.prior, clips, args.translation) if args.prior else read_records(args.hyp)
    _check(args, records)
    if args.accuracy:
        return _by_rank(args, clips)
    scored = _by_metric if args.metric != "wer" else _by_units if args.unit != "word" else _by_words
    return scored(args, clips, records)


def _check_outputs(args: argparse.Namespace) -> None:
    """Raises VsrError for files that may not be written."""
    from vsr.core.file_kinds import json_kind, text_kind
    from vsr.core.files import check_outputs

    figures, line = json_kind("figures of vsr score", "scored"), text_kind("a line of vsr score", "%WER ", "%ACC ")
    rows = text_kind("a table of vsr score", "id\terrors\t", "id\trank\t")
    outputs = ((args.json, figures), (args.tsv, rows), (args.wer, line))
    check_outputs(outputs, args.ref, *(args.prior or [args.hyp]))


def _write(args: argparse.Namespace, total: dict, scores: list) -> None:
    """Write the files that were asked for: figures, a line for each utterance, Kaldi's line. Raises VsrError."""
    from vsr.core.files import write_json, write_text
    from vsr.evaluation.topk import write_ranks
    from vsr.evaluation.wer import origin, write_tsv
    from vsr.evaluation.wer_line import wer_line

    if args.json:
        scored_from = origin(args.ref, (args.prior or [args.hyp])[0])
        write_json(args.json, total | {"scored_from": scored_from})
    if args.tsv:
        (write_ranks if args.accuracy else write_tsv)(args.tsv, scores)
    if args.wer:
        write_text(args.wer, wer_line(total) + "\n")


def _check_options(args: argparse.Namespace) -> None:
    """Raises VsrError for options that do not go together."""
    from vsr.core.errors import VsrError

    if args.metric != "wer" and (args.unit != "word" or args.accuracy or args.wer or args.by or args.tsv):
        raise VsrError("bad_options", f"--unit, --accuracy, --wer, --tsv, --by do not go with --metric {args.metric}")
    if args.metric != "wer" and args.normaliser != "lower":
        raise VsrError("bad_options", "--metric bleu and chrf take the texts as they are: leave --normaliser out")
    if args.unit != "word" and (args.accuracy or args.wer or args.by or args.tsv):
        raise VsrError("bad_options", f"--accuracy, --wer, --tsv and --by work only on words, not --unit {args.unit}")
    if args.accuracy and (args.by or args.prior):
        raise VsrError("bad_options", "--by and --prior work only with texts, not with isolated words")
    if args.counted_in and "frequency" not in args.by:
        raise VsrError("bad_options", "--counted-in works only with --by frequency")


def _check(args: argparse.Namespace, records: dict[str, dict]) -> None:
    """Raises VsrError for units that are no words."""
    from vsr.core.errors import VsrError

    said = {str(record.get("unit", "text")) for record in records.values()} - {"text"}
    if said and args.unit == "word":
        unit = said.pop()
        problem = f"{args.hyp} holds {unit}s, not words: add --unit {unit}, or decode by a lexicon"
        raise VsrError("bad_manifest", problem)


def _in_language(clips: list, language: str) -> list:
    """The clips with their texts in a language, without times, where one is named. Raises VsrError."""
    from dataclasses import replace

    from vsr.data.manifest import translations_of

    if not language:
        return clips
    texts = translations_of(clips, language)
    return [replace(own, text=texts[own.id], words=(), phones=()) for own in clips if own.id in texts]


def _by_words(args: argparse.Namespace, clips, records: dict[str, dict]) -> int:
    """Score by words, and their times where both have them."""
    from vsr.evaluation.wer import score
    from vsr.evaluation.word_timing import time_errors

    texts = {key: record["text"] for key, record in records.items()}
    total, each = score({clip.id: clip.text for clip in clips}, texts, args.normaliser)
    times = time_errors(clips, records)
    _write(args, total.as_dict() | ({"times": times} if times else {}), each)
    print(total)
    for table in _tables(args, clips, each):
        print(table)
    if times:
        print("word times off by {mean_ms} ms (median {median_ms} ms), {words} words".format(**times))
    return 0


def _by_rank(args: argparse.Namespace, clips) -> int:
    """Score isolated words by their places among the hypotheses."""
    from vsr.evaluation.topk import accuracy, read_ranked

    total, each = accuracy({clip.id: clip.text for clip in clips}, read_ranked(args.hyp))
    _write(args, total.as_dict(), each)
    print(total)
    return 0


def _by_metric(args: argparse.Namespace, clips, records: dict[str, dict]) -> int:
    """Score a translation."""
    from vsr.evaluation.translation import score_translations

    texts = {key: record["text"] for key, record in records.items()}
    total = score_translations({clip.id: clip.text for clip in clips}, texts, args.metric)
    _write(args, total.as_dict(), [])
    print(total)
    return 0


def _prior(paths: list[str], clips, language: str = "") -> dict[str, dict]:
    """The same text for every clip: the likeliest of the manifests. Raises VsrError."""
    from vsr.data.manifest import read_manifest
    from vsr.evaluation.prior import prior_text

    text = prior_text(clip.text for path in paths for clip in _in_language(read_manifest(path), language))
    return {clip.id: {"id": clip.id, "text": text} for clip in clips}


def _by_units(args: argparse.Namespace, clips, records: dict[str, dict]) -> int:
    """Score by characters, phonemes or visemes."""
    from vsr.evaluation.units import score_units

    references = {clip.id: clip.text for clip in clips}
    total, _ = score_units(references, records, args.unit, args.dictionary, args.normaliser)
    _write(args, total.as_dict(), [])
    print(total)
    return 0


def _tables(args: argparse.Namespace, clips, scores) -> list[str]:
    """The tables of --by."""
    from vsr.data.manifest import read_manifest
    from vsr.evaluation.breakdown import by_frequency, by_viseme, table
    from vsr.text.pronounce import Pronouncer

    found = []
    if "viseme" in args.by:
        found.append(table("words with viseme", by_viseme(scores, Pronouncer(args.dictionary))))
    if "frequency" in args.by:
        counted = read_manifest(args.counted_in) if args.counted_in else clips
        found.append(table("times in the texts", by_frequency(scores, [clip.text for clip in counted])))
    return found
