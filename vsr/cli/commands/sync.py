"""`vsr sync`: by how much the sound of a video is off its lips."""

from __future__ import annotations

import argparse

from vsr.cli.each_video import add_synchrony_arguments, over_videos
from vsr.cli.options import add_faces_argument, positive
from vsr.core.errors import VsrError
from vsr.core.files import check_output

LONGEST = 250  # frames

HELP = "measure by how many frames the sound of a video is off its lips"
ABOUT = """Says for each video by how much the sound comes later than the lips (negative: earlier), in
frames of 40 ms, and how sure that is: by how much the best shift agrees better with the lips
than the median of all shifts. What agrees was learned by contrast (CoGenAV) on sentences of
GRID; another model of that kind can be given. To a few milliseconds, for a whole corpus:
lip2speech sync."""
FILES = """reads   video files with sound; a model
writes  a line for each video; with --out JSON Lines: file, frames, seconds, confidence"""
FAILS = "a file could not be read; the others are done all the same"
SEE = "vsr speakers, lip2speech sync"
EXAMPLE = """vsr sync clip.mp4
vsr sync *.mp4 --most 25 --out offsets.jsonl"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_synchrony_arguments(parser)
    parser.add_argument("--most", type=positive, default=15, metavar="N", help="frames that are tried (default: 15)")
    add_faces_argument(parser)


def run(args: argparse.Namespace) -> int:
    """0 if every video was measured, else 1. Raises VsrError for what no file could survive."""
    from vsr.decoding.synchrony import load_synchrony
    from vsr.inference.synchrony import offset_in

    if args.most > LONGEST:
        raise VsrError("bad_config", f"--most is {args.most}: give at most {LONGEST} frames, 10 seconds")
    if args.out:
        check_output(args.out, *args.videos)
    model = load_synchrony(args.model)

    def measured(path: str) -> tuple[str, dict]:
        found = offset_in(model, path, args.faces, args.most)
        late = (
            "in time"
            if not found.frames
            else f"{'late' if found.frames > 0 else 'early'} by {abs(found.frames)} frames"
        )
        line = f"{path}: sound {late} ({found.seconds:+.2f} s), confidence {found.confidence:.2f}"
        figures = {"frames": found.frames, "seconds": found.seconds, "confidence": found.confidence}
        return line, {"file": path} | figures

    return over_videos(args.videos, args.out, measured)
