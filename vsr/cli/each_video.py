"""What verbs do that say something of each of several videos: one that fails does not keep the others from theirs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vsr.core.errors import VsrError
from vsr.core.file_kinds import FIGURES
from vsr.core.files import check_output, write_lines

if TYPE_CHECKING:
    from vsr.inference.face_report import FaceReport


def add_synchrony_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what verbs of the synchrony of lips and sound have in common."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="video files")
    parser.add_argument("--model", metavar="DIR", help="model trained by contrast (default: grid-sync)")
    parser.add_argument("--out", metavar="JSONL", help="also write the figures to this file")


COMPARED = "and says nothing of the sound there"  # of mouths that are covered


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
    records = []

    def noted(video: str) -> None:
        line, record = work(video)
        print(line, flush=True)
        records.append(record)

    status = for_each(videos, noted, program)
    if out:
        write_lines(out, (json.dumps(record, ensure_ascii=False) for record in records))
    return status


def for_each(
    videos: Sequence[str], work: Callable[[str], object], program: str = "vsr", answers: Collection[str] = ()
) -> int:
    """Do the work on each video, with a line on stderr where it raises VsrError; 1 where one failed. ``answers``:
    reasons that are told in such a line, but are no failures."""
    failed = False
    for video in videos:
        try:
            work(video)
        except VsrError as error:
            failed |= error.reason not in answers
            tell_error(video, error, program)
    return int(failed)


def checked(videos: Sequence[str], check: Callable[[str], object]) -> list[str]:
    """The videos that pass a check, before the work; a line on stderr for each of the others."""
    passed: list[str] = []

    def noted(video: str) -> None:
        check(video)
        passed.append(video)

    for_each(videos, noted)
    return passed


def tell_warnings(video: str, warnings: Iterable[dict], program: str = "vsr") -> None:
    """A line on stderr for each: what must be known before a result is believed."""
    for warning in warnings:
        print(f"{program}: {video}: {warning['message']}", file=sys.stderr, flush=True)


def tell_face_report(video: str, report: FaceReport, warnings: Iterable[dict] | None = None) -> None:
    """A line for each thing that must be known of how a video was seen, and which it was of a file with several;
    ``warnings``: others than those of ``report``."""
    from vsr.media.streams import report_stream_choice

    report_stream_choice("vsr", video, report.stream)
    tell_warnings(video, report.warnings if warnings is None else warnings)


def tell_error(video: str, error: VsrError, program: str = "vsr") -> None:
    """A line on stderr that names the video once."""
    message = str(error) if video in str(error) else f"{video}: {error}"
    print(f"{program}: {' '.join(message.split())}", file=sys.stderr)
