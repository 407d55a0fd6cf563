"""`vsr dictate`: what lips say as plain text, while somebody speaks, for other programs."""

from __future__ import annotations

import argparse
import sys
import threading

from vsr.cli.live_reader import open_reader
from vsr.cli.options import add_model_argument
from vsr.core.machine import add_device_argument, add_precision_argument
from vsr.output.unsure_words import MODES

HELP = "write what lips say as text for other programs, while somebody speaks"
ABOUT = """Writes words to standard output as soon as they are final, that is when two readings agree
on them; nothing is taken back, and each utterance ends its line. With --type the words are
typed at the cursor of the active program instead. --command is run for each utterance, with
its line on standard input. --filter is run in the same way, and its output replaces the
utterance: case and punctuation, or corrections. With --push, Enter starts listening and
Enter ends it; the camera is off in between. Words below the confidence threshold become
[...]. The largest face dictates until it is gone, also when another speaks."""
FILES = """reads   a camera, a stream or a file; a model
writes  standard output; standard input of the commands"""
FAILS = "one line on stderr says why: camera, model, keyboard, or a command that failed"
SEE = "vsr live, vsr transcribe"
EXAMPLE = """vsr dictate 0
vsr dictate 0 --push --type
vsr dictate 0 --filter "sed -u s/^./\\\\U&/" --model lrs3
vsr dictate clip.mp4 > notes.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("source", metavar="SOURCE", help="number of a camera, address of a stream, or a file")
    parser.add_argument("--push", action="store_true", help="listen from one Enter to the next, not all the time")
    parser.add_argument("--command", metavar="CMD", help="run for each utterance, with its line as standard input")
    parser.add_argument("--filter", metavar="CMD", help="the same, and its output replaces the utterance")
    parser.add_argument("--type", action="store_true", help="type at the cursor (package pynput)")
    parser.add_argument("--unsure", choices=MODES, default="mark", help="words of low confidence (default: mark)")
    add_model_argument(parser)
    add_device_argument(parser)
    add_precision_argument(parser)
    parser.add_argument("--beam", type=int, metavar="N", help="width of the search (default: the model's own, or 4)")


def run(args: argparse.Namespace) -> int:
    """Dictate until the source ends or Ctrl-C. Raises VsrError."""
    from vsr.core.errors import VsrError
    from vsr.core.interrupts import settle
    from vsr.inference.live.dictation import Dictation
    from vsr.inference.live.typing import Typist

    if args.push and args.source == "-":
        raise VsrError("bad_options", "--push listens for Enter on standard input, so the video cannot come from there")
    typist = Typist() if args.type else None
    dictation = Dictation(args.command, args.filter, args.unsure, typist.type if typist else None)
    loaded, options = open_reader(args)
    try:
        if not args.push:
            _listen(args.source, loaded, options, dictation)
        while args.push and _enter("Enter: listen; Ctrl-D: end"):
            _listen(args.source, loaded, options, dictation, pushed=True)
    except KeyboardInterrupt:  # the usual end
        settle()
        print(file=sys.stderr)
    return 0


def _listen(source: str, loaded, options, dictation, pushed: bool = False) -> None:
    """One session, to the end of its source or, where it is ``pushed``, to the next Enter. Raises VsrError."""
    from vsr.face.detector import default_detector
    from vsr.inference.live.capture import Capture
    from vsr.inference.live.notes import notes_of
    from vsr.inference.live.session import Session
    from vsr.inference.live.source import open_source

    session = Session(loaded, default_detector(), options, turns=False)  # nobody else may dictate
    capture = Capture(open_source(source))  # last, so that nothing is filmed while models are loaded

    def until_enter() -> None:
        _enter("listening; Enter: stop")
        capture.close()

    if pushed:
        threading.Thread(target=until_enter, daemon=True).start()
    try:
        dictation.follow(session.run(capture))
    finally:
        capture.close()
        for note in notes_of(session):
            print(f"vsr: {note}", file=sys.stderr)
    if capture.error is not None:
        raise capture.error


def _enter(message: str) -> bool:
    """Wait for Enter; False at the end of standard input."""
    print(f"vsr: {message}", file=sys.stderr, flush=True)
    return bool(sys.stdin.readline())
