"""`vsr sync`: by how much the sound of a video is off its lips."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vsr.cli.each_video import COMPARED, add_synchrony_arguments, over_videos, tell_face_report
from vsr.cli.options import add_faces_argument, check_present, positive
from vsr.core.errors import VsrError
from vsr.core.file_kinds import FIGURES
from vsr.core.files import check_output

if TYPE_CHECKING:
    from vsr.decoding.synchrony import Offset

LONGEST = 250  # frames

HELP = "measure the offset between sound and lips in frames"
ABOUT = """Estimates for each video by how much the sound lags the lips (negative: leads), in frames of
40 ms, and the confidence: the agreement at the best shift minus the median over all shifts.
An offset that does not stand out from all others is not known, and only guessed.
The embeddings were trained contrastively (CoGenAV) on GRID sentences; another model of that
kind can be given. For a whole corpus, to a few milliseconds: lip2speech sync."""
FILES = """reads   video files with sound; a model
writes  a line for each video; with --out JSON Lines: file, frames and seconds (null where
        not known), confidence, lead over other shifts, best (frames, guessed or not)"""
FAILS = "a file could not be read; the others are done all the same"
SEE = "vsr speakers, lip2speech sync"
EXAMPLE = """vsr sync clip.mp4
vsr sync *.mp4 --most 25 --out offsets.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_synchrony_arguments(parser)
    tried = "largest shift in frames; a second must be left to compare (default: 15)"
    parser.add_argument("--most", type=positive, default=15, metavar="N", help=tried)
    add_faces_argument(parser)


def run(args: argparse.Namespace) -> int:
    """0 if every video was measured, else 1. Raises VsrError for what no file could survive."""
    if args.most > LONGEST:
        raise VsrError("bad_options", f"--most is {args.most}: give at most {LONGEST} frames, 10 seconds")
    if args.out:
        check_output(args.out, *args.videos, kind=FIGURES)
    check_present(args.videos)
    from vsr.decoding.synchrony import load_synchrony
    from vsr.inference.face_report import FaceReport
    from vsr.inference.synchrony import offset_in

    model = load_synchrony(args.model)

    def measured(path: str) -> tuple[str, dict]:
        report = FaceReport()
        found = offset_in(model, path, args.faces, args.most, report)
        figures = {"confidence": found.confidence, "lead": found.lead, "best": found.frames}
        frames, seconds = (found.frames, found.seconds) if found.is_clear else (None, None)
        tell_face_report(path, report, warnings := report.warnings_with(COMPARED))
        record = {"file": path, "frames": frames, "seconds": seconds} | figures | {"warnings": warnings}
        return f"{path}: {offset_text(found)}", record

    return over_videos(args.videos, args.out, measured)


def offset_text(found: Offset) -> str:
    """An offset in words; one that does not stand out from the others is a guess."""
    count = abs(found.frames)
    by = f"{'late' if found.frames > 0 else 'early'} by {count} frame{'s' * (count != 1)}"
    best = f"{by if count else 'in time'} ({found.seconds:+.2f} s)"
    sure = f"confidence {found.confidence:.2f}"
    return f"sound {best}, {sure}" if found.is_clear else f"offset not known; best guess {best}, {sure}"
