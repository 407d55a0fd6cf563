"""`lip2speech serve`: a JSON API over HTTP that reads and voices videos."""

from __future__ import annotations

import argparse

from lip2speech.cli.commands.web import add_serving_arguments

HELP = "serve a JSON API that reads and voices videos, on this machine alone by default"
ABOUT = """Serves POST /v1/transcriptions (a video in; JSON, text or subtitles out), POST /v1/speech (a
video in; wav or mp4 out), GET /v1/models, /healthz and /openapi.json, in the shape of the
common audio endpoints. It listens on this machine only; any other --host needs --key-file,
whose keys clients send as "Authorization: Bearer KEY". Limits and queue are those of the
page (lip2speech web). Ctrl-C ends it."""
FILES = """reads   models; a file of keys, one per line; videos that are sent
writes  uploads and results, in a folder of its own, until they are answered"""
SEE = "lip2speech web, vsr transcribe, lip2speech speak"
EXAMPLE = """lip2speech serve
lip2speech serve --port 8080 --max-seconds 30 --model lrs3
lip2speech serve --host 0.0.0.0 --key-file keys.txt"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_serving_arguments(parser, port=8000)
    parser.add_argument("--key-file", metavar="FILE", help="accepted keys, one per line (default: none, loopback only)")


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted. Raises VsrError."""
    from lip2speech.web.api.keys import check_host, read_keys
    from lip2speech.web.app import serve
    from lip2speech.web.jobs import Limits
    from vsr.core.errors import VsrError

    limits, keys = Limits(args.max_mb, args.max_seconds, args.queue, args.keep_minutes), read_keys(args.key_file)
    check_host(args.host, keys)
    try:
        from lip2speech.web.api.app import build_api
    except ImportError as error:
        raise VsrError("missing_package", f"the API needs fastapi: {error}; install the extra 'web'") from error
    serve(build_api(limits, args.model, args.voice, keys), args.host, args.port)
    return 0
