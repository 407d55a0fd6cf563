"""What verbs do that say something of each of several videos: one that fails does not keep the others from theirs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from vsr.core.errors import VsrError
from vsr.core.files import check_output, write_lines
from vsr.core.kinds import FIGURES


def add_synchrony_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what verbs of the synchrony of lips and sound have in common."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="video files")
    parser.add_argument("--model", metavar="DIR", help="trained by contrast (default: what ships)")
    parser.add_argument("--out", metavar="JSONL", help="also write the figures there")


def tell_strange_words(folder: Path, texts: Iterable[str]) -> None:
    """A line on stderr where a reader of few words is asked for others."""
    from vsr.inference.trained_words import strange_note

    if note := strange_note(folder, texts):
        print(f"vsr: {note}", file=sys.stderr, flush=True)


def over_videos(
    videos: Sequence[str], out: str | None, work: Callable[[str], tuple[str, dict]], program: str = "vsr"
) -> int:
    """Print the line that ``work`` makes of each video and write its records to ``out``, if given; 1 where one failed.
    ``program``: whose messages they are.

    Raises VsrError for an output that cannot be written.
    """
    if out:
        check_output(out, *videos, kind=FIGURES)
    records, failures = [], 0
    for video in videos:
        try:
            line, record = work(video)
            print(line, flush=True)
            records.append(record)
        except VsrError as error:
            failures += 1
            print(f"{program}: {error}" if video in str(error) else f"{program}: {video}: {error}", file=sys.stderr)
    if out:
        write_lines(out, (json.dumps(record, ensure_ascii=False) for record in records))
    return 1 if failures else 0
