"""`vsr live`: captions while somebody speaks, from a camera, a stream, a pipe or a file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vsr.cli.live_reader import open_reader
from vsr.cli.options import add_model_argument
from vsr.core.machine import add_device_argument, add_precision_argument

if TYPE_CHECKING:
    from vsr.inference.live.capture import Capture
    from vsr.inference.live.screen import Screen
    from vsr.inference.live.session import Session

HELP = "caption a camera or a stream live"
ABOUT = """Reads the largest face that speaks and shows the words as they are read. A word on which two
consecutive readings agree is final and never taken back; on a terminal, words that may
still change are dim. Frames are dropped rather than falling behind, and the number is
printed. A file is played at its own pace, as a rehearsal. Ctrl-C ends it."""
FILES = """reads   a camera, a stream, standard input or a file; a model
writes  with -o the captions so far, again after each utterance"""
SEE = "vsr transcribe"
EXAMPLE = """vsr live 0
vsr live rtsp://camera.local/stream -o captions.srt
vsr live clip.mp4
vsr live -"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="SOURCE", help="number of a camera, address of a stream, file, or -")
    parser.add_argument("-o", "--out", metavar="FILE", help="save the captions: .txt, .srt, .vtt, .ass, .json or .tsv")
    add_model_argument(parser)
    add_device_argument(parser)
    add_precision_argument(parser)
    parser.add_argument("--beam", type=int, metavar="N", help="width of the search (default: the model's own, or 4)")


def run(args: argparse.Namespace) -> int:
    """Caption until the source ends or Ctrl-C; the delays are printed on stderr. Raises VsrError."""
    import sys

    from vsr.face.detector import default_detector
    from vsr.inference.live.capture import Capture
    from vsr.inference.live.notes import notes_of
    from vsr.inference.live.screen import Screen
    from vsr.inference.live.session import Session
    from vsr.inference.live.source import open_source, source_description

    if args.out:
        _check_out(args.out, args.source)
    loaded, options = open_reader(args)
    screen = Screen(args.source, loaded.name, args.out)
    session = Session(loaded, default_detector(), options)
    capture = Capture(open_source(args.source))  # last, so that nothing is filmed while models are loaded
    print(f"vsr: reads {source_description(args.source)} with {loaded.name}", file=sys.stderr, flush=True)
    _show(screen, session, capture)
    print(screen.summary(capture.dropped, notes_of(session)), file=sys.stderr)
    if capture.error is not None:
        raise capture.error
    return 0


def _check_out(out: str, source: str) -> None:
    """Raises VsrError for captions that may not be written."""
    from pathlib import Path

    from vsr.core.errors import VsrError
    from vsr.core.files import check_output
    from vsr.output.ledger import TRANSCRIPT
    from vsr.output.subtitles import WRITERS

    if Path(out).suffix[1:] not in WRITERS:
        raise VsrError("bad_options", f"{out}: the name must end in .{', .'.join(WRITERS)}")
    check_output(out, source, kind=TRANSCRIPT)


def _show(screen: Screen, session: Session, capture: Capture) -> None:
    """Caption until the source ends, or until Ctrl-C, which is the usual end."""
    import sys

    from vsr.core.interrupts import settle

    try:
        screen.show(session.run(capture))
    except KeyboardInterrupt:
        settle()
        print(file=sys.stderr)
    finally:
        capture.close()
