"""`lip2speech web`: a web page that reads and voices videos."""

from __future__ import annotations

import argparse

from vsr.core.machine import add_precision_argument

HELP = "serve a page that reads and voices videos, on this machine alone by default"
ABOUT = """Serves a page on which a video is uploaded or recorded, read, and voiced. It listens on this
machine only unless --host says otherwise; the size of files is limited, and uploads and
results are deleted after a while. Ctrl-C ends it."""
FILES = """reads   models; videos that are uploaded
writes  uploads and results, in a folder of its own that is removed"""
SEE = "lip2speech serve, vsr transcribe, lip2speech speak"
EXAMPLE = """lip2speech web
lip2speech web --host 0.0.0.0 --port 8080 --max-seconds 30 --queue 8"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_serving_arguments(parser, port=7860)


def add_serving_arguments(parser: argparse.ArgumentParser, port: int) -> None:
    """Declare the address, the models and the limits of requests (`lip2speech.web.jobs.Limits`)."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, loopback only)")
    parser.add_argument("--port", type=_port, default=port, help=f"port to listen on (default: {port})")
    parser.add_argument("--model", metavar="MODEL", help="lip reader: folder or org/name (default: the package's)")
    parser.add_argument("--voice", metavar="MODEL", help="folder or org/name (default: the package's)")
    add_precision_argument(parser)
    parser.add_argument("--max-mb", type=int, default=100, metavar="N", help="size of a file, MB (default: 100)")
    parser.add_argument("--max-seconds", type=float, default=60.0, metavar="S", help="length of a video (default: 60)")
    parser.add_argument("--queue", type=int, default=16, metavar="N", help="clips that may wait (default: 16)")
    parser.add_argument(
        "--keep-minutes",
        type=float,
        default=30.0,
        metavar="M",
        help="delete uploads and results after this time (default: 30)",
    )


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted. Raises VsrError."""
    from lip2speech.web.app import build_app, serve
    from lip2speech.web.jobs import Limits

    limits = Limits(args.max_mb, args.max_seconds, args.queue, args.keep_minutes)
    serve(build_app(limits, args.model, args.voice, args.precision), args.host, args.port)
    return 0


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number between 1 and 65535")
    return int(text)
