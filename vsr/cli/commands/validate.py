"""`vsr validate`: manifests of videos are checked in minutes, before anything takes hours."""

from __future__ import annotations

import argparse
from pathlib import Path

from vsr.cli.options import positive

HELP = "check every video and transcript of manifests before training"
ABOUT = """Checks every video and transcript once, by header and first frame, in milliseconds per file,
and finds what would stop or spoil a training run: missing files, files that are no videos,
parts outside their video, transcripts without words. With --decode it decodes all frames
and sound, and also finds files that are damaged or break off."""
FILES = """reads   manifests and the videos they name
writes  with --report: JSON with the reason of each refused clip"""
FAILS = "more of a list is refused than --tolerate allows"
SEE = "vsr prepare, vsr crop"
EXAMPLE = "vsr validate --manifest data/train.jsonl data/test.jsonl --jobs 8 --report data/validation.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", nargs="+", required=True, metavar="JSONL", help="manifests of videos")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--decode", action="store_true", help="decode everything, to find damaged files, too")
    parser.add_argument("--report", metavar="JSON", help="write every refused clip with its reason to this file")
    parser.add_argument(
        "--tolerate", type=float, default=0.01, metavar="X", help="share of a list that may be refused (default: 0.01)"
    )


def run(args: argparse.Namespace) -> int:
    """Print one line a list; raises VsrError if more clips are refused than may be."""
    from vsr.core.errors import VsrError
    from vsr.core.file_kinds import FileKind
    from vsr.core.files import check_output, write_json
    from vsr.data.validation import validate

    if args.report:
        check_output(args.report, *args.manifest, kind=FileKind("a report of vsr validate", is_report))
    if not 0 <= args.tolerate <= 1:
        raise VsrError("bad_options", f"--tolerate is {args.tolerate}: give a share from 0 to 1")
    found = validate(args.manifest, args.jobs, args.decode)
    for name, own in found.items():
        print(f"{name}: {own}")
    if args.report:
        write_json(args.report, {name: {"hours": own.hours, "refused": own.refused} for name, own in found.items()})
    for name, own in found.items():
        if len(own.refused) > args.tolerate * own.clips:
            example = next(iter(own.refused.values()))[1]
            raise VsrError("bad_corpus", f"{name}: {len(own.refused)} of {own.clips} clips refused, such as {example}")
    return 0


def is_report(path: Path) -> bool:
    """Whether a file is a report of this verb: list -> hours and refused clips. Raises OSError."""
    from vsr.core.files import read_json

    try:
        found = read_json(path)
    except ValueError:
        return False
    return isinstance(found, dict) and all(isinstance(own, dict) and "refused" in own for own in found.values())
