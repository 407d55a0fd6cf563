"""`vsr inspect`: one video file -> one HTML page that shows how it was read."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from vsr.cli.options import add_model_argument, check_present
from vsr.cli.search_options import unused_in_search
from vsr.core.machine import add_device_argument, add_precision_argument
from vsr.decoding.options import METHODS, DecodeOptions

if TYPE_CHECKING:
    from vsr.core.errors import VsrError
    from vsr.report.collect import Inspection

HELP = "show how a video is read, on one HTML page: mouth, posteriors, attention, words"
ABOUT = """Reads one video and writes one HTML page that shows how it was read: the mouth, the CTC
posteriors, the decoder's attention, the words with their confidence and the n-best list,
all on one time axis. Look at it first when a text is odd."""
FILES = """reads   a video file; a model
writes  the page, which needs no other file and no network"""
SEE = "vsr transcribe, lip2speech inspect"
EXAMPLE = """vsr inspect clip.mp4 -o report.html
vsr inspect talk.mp4 --face 1 --at 95 -o report.html"""


LISTED = 5  # hypotheses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("video", metavar="VIDEO", help="video file")
    parser.add_argument("-o", "--out", required=True, metavar="HTML", help="the page, self-contained")
    add_model_argument(parser)
    add_device_argument(parser)
    add_precision_argument(parser)
    reading = parser.add_argument_group("reading")
    reading.add_argument("--method", choices=METHODS, help="default: the model's own, else joint, of CTC and attention")
    reading.add_argument("--beam", type=int, metavar="N", help="width of the search (default: the model's own, or 10)")
    reading.add_argument("--nbest", type=int, metavar="N", help="hypotheses listed (default: 5, or the beam if less)")
    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--face", type=int, metavar="N", help="its number in JSON, from 0 (default: the largest)")
    shown.add_argument(
        "--at", type=float, metavar="SECONDS", help="show what is read at this moment of the video (default: the first)"
    )


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_in_search(args)


def run(args: argparse.Namespace) -> int:
    """Read, write the page and print the text. Raises VsrError."""
    from vsr.core.files import check_output, write_text
    from vsr.report.page import PAGE, render_page

    check_output(args.out, args.video, kind=PAGE)
    check_present([args.video])
    broken: list[VsrError] = []
    inspection = inspect_args(args, broken)
    write_text(args.out, render_page(inspection))
    print(inspection.nbest[0].text)
    return report_broken_video(broken)


def report_broken_video(errors: list[VsrError], program: str = "vsr") -> int:
    """A line on stderr about a video that is not whole; the exit status."""
    for error in errors:
        print(f"{program}: {error}; the page shows what could be read", file=sys.stderr)
    return int(bool(errors))


def inspect_args(args: argparse.Namespace, errors: list[VsrError], program: str = "vsr") -> Inspection:
    """Read the video that the options name, as they say, and tell what must be known of it; ``errors`` is told what is
    damaged. Raises VsrError."""
    from vsr.cli.each_video import tell_warnings
    from vsr.core.progress import Watch, film_bar
    from vsr.decoding.defaults import check_search, options_for
    from vsr.media.streams import report_stream_choice
    from vsr.modelstore.folder import load_model
    from vsr.report.collect import inspect_video

    nbest = min(LISTED, args.beam or LISTED) if args.nbest is None else args.nbest
    given = {"method": args.method, "nbest": nbest, "beam": args.beam}
    given = {name: value for name, value in given.items() if value is not None}
    DecodeOptions(**given)  # what is wrong with them is reported before a model is loaded
    check_search(args.model, given)
    loaded = load_model(args.model, args.device, args.precision)
    options = options_for(loaded, given)
    with film_bar() as progress:
        watch = Watch(progress=progress)
        inspection = inspect_video(loaded, args.video, options, args.face, args.at, watch, errors)
    report_stream_choice(program, args.video, inspection.clip.info.stream)
    tell_warnings(args.video, inspection.warnings, program)
    return inspection
