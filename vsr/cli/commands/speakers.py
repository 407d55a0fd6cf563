"""`vsr speakers`: which face of a video speaks its sound."""

from __future__ import annotations

import argparse

from vsr.cli.each_video import COMPARED, add_synchrony_arguments, over_videos, tell_face_report
from vsr.cli.options import check_present
from vsr.core.errors import VsrError
from vsr.core.file_kinds import FIGURES
from vsr.core.files import check_output

HELP = "find which face of a video speaks its sound"
ABOUT = """Compares the lips of every face with the sound, in windows of two seconds: the face that
agrees best speaks, provided it agrees at all (a score above 0). Off-screen voices have no
face: then no score is above 0. The embeddings were trained contrastively on GRID sentences."""
FILES = """reads   video files with sound; a model
writes  a line for each face, numbered as in transcripts (from 0); with --out JSON Lines:
        file, faces (score, share of windows in which it speaks), windows (face, start, end,
        score, speaks)"""
FAILS = "a file could not be read; the others are done all the same"
SEE = "vsr sync, vsr transcribe"
EXAMPLE = """vsr speakers panel.mp4
vsr speakers *.mp4 --offset 2 --out speakers.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_synchrony_arguments(parser)
    parser.add_argument(
        "--offset", type=int, default=0, metavar="N", help="frames by which the sound is late (vsr sync)"
    )


def line_of(path: str, face: int, speaks: float, score: float) -> str:
    """What is printed of a face."""
    unsure = "" if score > 0 else " (unsure: it hardly agrees with the sound)"
    return f"{path}: face {face} speaks in {speaks:.0%} of its windows, score {score:+.1f}{unsure}"


def run(args: argparse.Namespace) -> int:
    """0 if every video was read, else 1. Raises VsrError for what no file could survive."""
    if args.out:
        check_output(args.out, *args.videos, kind=FIGURES)
    check_present(args.videos)
    from vsr.decoding.synchrony import load_synchrony
    from vsr.inference.face_report import FaceReport
    from vsr.inference.synchrony import speakers_in, summary

    model = load_synchrony(args.model)

    def found(path: str) -> tuple[str, dict]:
        report = FaceReport()
        windows = speakers_in(model, path, args.offset, report)
        faces = summary(windows)
        if not windows:
            raise VsrError("bad_options", f"{path}: sound that is {args.offset} frames late leaves nothing to compare")
        tell_face_report(path, report, warnings := report.warnings_with(COMPARED))
        lines = [line_of(path, face, **own) for face, own in faces.items()]
        record = {"file": path, "faces": {str(face): own for face, own in faces.items()}, "warnings": warnings}
        return "\n".join(lines), record | {"windows": [vars(own) for own in windows]}

    return over_videos(args.videos, args.out, found)
