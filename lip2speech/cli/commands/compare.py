"""`lip2speech compare`: two folders of voices, clip by clip."""

from __future__ import annotations

import argparse
from pathlib import Path

from vsr.cli.options import positive

HELP = "compare two folders of voices, clip by clip"
ABOUT = """Measures two folders of voices as lip2speech evaluate does, and compares them on the clips
that both have: both means, their difference with a paired bootstrap interval, and the
number of clips in which the second is better."""
FILES = """reads   two folders of ID.wav, a manifest, the sound of its videos
writes  the screen; with -o: JSON"""
FAILS = "a clip could not be scored in one of them; a line says how many"
SEE = "lip2speech evaluate, lip2speech synthesize"
EXAMPLE = """lip2speech compare exp/before exp/after --manifest data/crops/dev/manifest.jsonl
lip2speech compare exp/before exp/after --manifest data/crops/dev/manifest.jsonl \\
    --asr pocketsphinx-grid -o pairs.json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("first", metavar="A", help="folder of ID.wav")
    parser.add_argument("second", metavar="B", help="another")
    parser.add_argument("--manifest", required=True, metavar="FILE", help="manifest of the clips")
    parser.add_argument("--asr", default="", metavar="ASR", help="recogniser of the words, as in lip2speech evaluate")
    parser.add_argument("--distillmos", action="store_true", help="a second quality estimate beside DNSMOS")
    parser.add_argument(
        "--syncnet", default="", metavar="DIR", help="LSE-C and LSE-D, by syncnet_v2.model and sfd_face.pth in there"
    )
    parser.add_argument("-o", "--out", metavar="FILE", help="JSON of the figures")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Measure, compare and print; 1 if a clip could not be scored. Raises VsrError."""
    from lip2speech.evaluation.corpus import evaluate
    from lip2speech.evaluation.paired_comparison import pair_records, pair_table, pairs_of
    from vsr.core.files import write_json
    from vsr.data.manifest import read_manifest

    names = check_arguments(args)
    clips = read_manifest(args.manifest)
    outcomes = evaluate(clips, {"A": args.first, "B": args.second}, args.asr, args.jobs, args.distillmos, args.syncnet)
    first, second = ([outcome for outcome in outcomes if outcome.row == row] for row in "AB")
    pairs = pairs_of(clips, first, second, bool(args.asr))
    if args.out:
        write_json(args.out, {"a": args.first, "b": args.second, "asr": args.asr, "pairs": pair_records(pairs)})
    print(pair_table(pairs, names))
    failed = [outcome for outcome in outcomes if outcome.reason]
    if failed:
        print(f"{len(failed)} voices could not be scored; the first: {failed[0].message}")
    return 1 if failed else 0


def check_arguments(args: argparse.Namespace) -> tuple[str, str]:
    """Check files before the work; returns the names of the two folders in the table. Raises VsrError."""
    from vsr.core.errors import VsrError
    from vsr.core.file_kinds import json_kind
    from vsr.core.files import check_output, same_file

    for folder in (args.first, args.second):
        if not Path(folder).is_dir():
            raise VsrError("bad_options", f"{folder}: no such folder")
    if same_file(args.first, args.second):
        raise VsrError("bad_options", f"{args.first} is given twice: give two folders")
    if "," in args.asr:
        raise VsrError("bad_options", f"--asr {args.asr}: give one recogniser")
    if args.out:
        check_output(args.out, args.manifest, kind=json_kind("figures of lip2speech compare", "pairs"))
    names = Path(args.first).name, Path(args.second).name
    return names if names[0] != names[1] else ("A", "B")
