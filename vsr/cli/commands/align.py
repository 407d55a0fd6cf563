"""`vsr align`: the times of words that are known, in a video in which they are said."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vsr.cli.options import add_faces_argument, add_model_argument, check_present, unused_of_crops
from vsr.core.machine import add_device_argument, add_precision_argument
from vsr.output.subtitles import WRITERS

if TYPE_CHECKING:
    from vsr.output.transcript import Transcript

HELP = "find when the words of a known text are said"
ABOUT = """Finds the times of the words of a known text in a video whose lips say it from beginning to
end, and how well each fits (confidence). Punctuation and case do not matter; write numbers in
words, as they are said: five, not 5."""
FILES = """reads   a video; a text; a model with a CTC head
writes  the screen, or with -o one file, whose ending says the format"""
SEE = "vsr transcribe, vsr find"
EXAMPLE = """vsr align clip.mp4 --text "place blue by m five please"
vsr align clip.mp4 --text-file clip.txt -o clip.textgrid
vsr align mouth.mp4 --cropped --text "place blue by m five please" --format json"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("video", metavar="VIDEO", help="video file")
    text = parser.add_mutually_exclusive_group(required=True)
    text.add_argument("--text", metavar="TEXT", help="what is said")
    text.add_argument("--text-file", metavar="FILE", help="a file with it, UTF-8")
    parser.add_argument("-o", "--out", metavar="FILE", help="write to this file instead of the screen")
    parser.add_argument(
        "--format", choices=tuple(WRITERS), metavar="F",
        help=f"one of {','.join(WRITERS)} (default: the ending of -o; tsv on the screen)",
    )  # fmt: skip
    add_model_argument(parser)
    parser.add_argument("--cropped", action="store_true", help="the video is a mouth crop: use it as it is")
    add_faces_argument(parser)
    add_device_argument(parser)
    add_precision_argument(parser)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_of_crops(args)


def run(args: argparse.Namespace) -> int:
    """Align and write. Raises VsrError."""
    write, text = _checked(args)
    from vsr.cli.each_video import tell_face_report, tell_strange_words
    from vsr.decoding.guesses import is_guess
    from vsr.inference.alignment import align_video, tokens_of
    from vsr.inference.face_report import FaceReport
    from vsr.inference.free_reading import UNLIKE
    from vsr.modelstore.folder import load_model

    loaded = load_model(args.model, args.device, args.precision)
    tokens_of(loaded, text)
    tell_strange_words(loaded.folder, [text])
    transcript = align_video(loaded, args.video, text, args.faces, args.cropped, report := FaceReport())
    if is_guess(transcript.segments[0].in_domain):
        print(f"vsr: {args.video}: {UNLIKE}: the times are guesses", file=sys.stderr)
    tell_face_report(args.video, report, transcript.visibility_warnings)
    if args.out:
        from vsr.output.ledger import write_recorded

        write_recorded(args.out, transcript, write(transcript))
    else:
        sys.stdout.write(write(transcript))
    return 0


def _checked(args: argparse.Namespace) -> tuple[Callable[[Transcript], str], str]:
    """How the times are written, and the text. Raises VsrError for options and files that do not do."""
    from vsr.core.errors import VsrError
    from vsr.core.files import check_output
    from vsr.output.ledger import TRANSCRIPT

    ending = Path(args.out).suffix[1:].lower() if args.out else "tsv"
    name = args.format or ending
    if name not in WRITERS:
        raise VsrError("bad_options", f"{args.out}: the name must end in .{', .'.join(WRITERS)}, or give --format")
    if args.faces == "all" or (isinstance(args.faces, int) and args.faces > 1):
        raise VsrError("bad_options", "a text is what one face says: --faces is largest or 1")
    if args.out:
        check_output(args.out, args.video, *filter(None, [args.text_file]), kind=TRANSCRIPT)
    check_present([args.video])
    text = _text(args)
    if args.text is not None and not text.strip():
        raise VsrError("bad_options", "--text is empty: give what is said")
    return WRITERS[name], text


def _text(args: argparse.Namespace) -> str:
    """What is said, on one line. Raises VsrError (bad_text)."""
    from vsr.core.errors import VsrError, cause_of

    if args.text is not None:
        return args.text
    try:
        return " ".join(Path(args.text_file).read_text(encoding="utf-8").split())
    except (OSError, ValueError) as error:
        raise VsrError("bad_text", f"{args.text_file}: {cause_of(error, 'not UTF-8')}") from error
