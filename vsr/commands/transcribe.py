"""`vsr transcribe`: video files -> text, subtitles or JSON, on the screen or in a folder."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vsr.decode.options import METHODS, DecodeOptions
from vsr.engines import add_engine_arguments, open_engine
from vsr.errors import VsrError
from vsr.files import read_json, write_text
from vsr.subtitles import WRITERS
from vsr.transcript import Transcript

HELP = "read the lips in video files"
EXAMPLE = """vsr transcribe clip.mp4
vsr transcribe *.mpg --format srt,json -o out/
vsr transcribe videos/*.mp4 --format json -o out/ --engine ray --address head:6379"""

SEVERAL_ON_SCREEN = ("txt", "json")  # formats that stay readable one file after another


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="video files")
    parser.add_argument(
        "-o", "--out", metavar="DIR", help="write DIR/NAME.FORMAT for each file instead of printing"
    )
    parser.add_argument(
        "--format", type=_formats, default=("txt",), metavar="F[,F]", dest="formats",
        help=f"one or more of {','.join(WRITERS)} (default: txt)",
    )  # fmt: skip
    parser.add_argument("--model", metavar="DIR", help="model folder (default: the one in the package)")
    parser.add_argument(
        "--method", choices=METHODS, help="search (default: joint)"
    )
    parser.add_argument("--beam", type=_positive, metavar="N", help="width of the search (default: 10)")
    parser.add_argument("--nbest", type=_positive, metavar="N", help="readings listed in JSON (default: 1)")
    parser.add_argument(
        "--faces", choices=("largest", "all"), default="largest", help="whom to read (default: largest)"
    )
    add_engine_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """0 if every file was read and written, 1 if any failed, 2 for wrong usage."""
    given = {"method": args.method, "beam": args.beam, "nbest": args.nbest}
    options = {name: value for name, value in given.items() if value is not None}
    problem = _wrong_options(options) or _wrong_usage(args)
    if problem:
        print(f"vsr: {problem}", file=sys.stderr)
        return 2
    if args.out is not None:
        _prepare_folder(Path(args.out))
    from vsr.bulk import Settings

    settings = Settings(args.model, tuple(options.items()), args.faces)
    videos = _not_done(args) if args.engine == "ray" and args.out is not None else args.videos
    results = open_engine(args.engine, args.jobs, args.address).transcribe(videos, settings)
    with _progress(results, len(videos)) as transcripts:
        failures = [_deliver(transcript, args) for transcript in transcripts].count(False)
    return 1 if failures else 0


def _formats(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in WRITERS:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(WRITERS)}")
    return names


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _wrong_options(options: dict) -> str | None:
    """What the search has against its options, if anything."""
    try:
        DecodeOptions(**options)
    except VsrError as error:
        return str(error)
    return None


def _wrong_usage(args: argparse.Namespace) -> str | None:
    """What is wrong with the arguments taken together, if anything."""
    if args.out is None:
        if len(args.formats) > 1:
            return "several formats need a folder: add -o DIR"
        if len(args.videos) > 1 and args.formats[0] not in SEVERAL_ON_SCREEN:
            return f"{args.formats[0]} of several files needs a folder: add -o DIR"
        return None
    if Path(args.out).suffix[1:] in WRITERS and not Path(args.out).is_dir():
        return f"-o names a folder, {args.out} looks like a file: add --format {Path(args.out).suffix[1:]}"
    seen: dict[str, str] = {}
    for video in args.videos:
        other = seen.setdefault(Path(video).stem, video)
        if other is not video:
            return f"{other} and {video} would be written to the same file; give them in two runs"
    return None


def _prepare_folder(folder: Path) -> None:
    """Make the folder now: a path that cannot be written must not be found out after hours of reading."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VsrError("not_writable", f"cannot write to {folder}: {error.strerror}") from error


def _not_done(args: argparse.Namespace) -> list[str]:
    """The files that an earlier run on the cluster has not written; those that failed are tried again."""
    return [video for video in args.videos if not all(_written(video, name, Path(args.out)) for name in args.formats)]


def _written(video: str, name: str, folder: Path) -> bool:
    target = folder / f"{Path(video).stem}.{name}"
    try:
        return target.is_file() and (name != "json" or read_json(target)["error"] is None)
    except (ValueError, LookupError, TypeError):
        return False


def _deliver(transcript: Transcript, args: argparse.Namespace) -> bool:
    """Print or write one result and report its error; True if all went well."""
    try:
        if args.out is None:
            _print(transcript, args.formats[0], several=len(args.videos) > 1)
        else:
            _write(transcript, args.formats, Path(args.out))
    except VsrError as error:
        return _report(transcript.file, str(error))
    if transcript.error is not None:
        return _report(transcript.file, transcript.error[1])
    return True


def _report(file: str, message: str) -> bool:
    print(f"vsr: {message}" if file in message else f"vsr: {file}: {message}", file=sys.stderr)
    return False


def _print(transcript: Transcript, name: str, several: bool) -> None:
    if transcript.error is not None and name != "json":
        return
    text = WRITERS[name](transcript)
    if several and name == "txt":
        text = "".join(f"{transcript.file}: {line}\n" for line in text.splitlines())
    sys.stdout.write(text)
    sys.stdout.flush()


def _write(transcript: Transcript, formats: Iterable[str], folder: Path) -> None:
    """One file for each format; of a file that failed only the JSON, which says why."""
    for name in formats:
        if transcript.error is not None and name != "json":
            continue
        target = folder / f"{Path(transcript.file).stem}.{name}"
        try:
            write_text(target, WRITERS[name](transcript))
        except OSError as error:
            raise VsrError("not_writable", f"cannot write {target}: {error.strerror}") from error


@contextmanager
def _progress(results: Iterator[Transcript], total: int) -> Iterator[Iterator[Transcript]]:
    """The same results, with a bar on a terminal when there are several."""
    if total < 2 or not sys.stderr.isatty():
        yield results
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    # rich would send what is printed to stdout through the bar's terminal, past a redirection to a file.
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()) as bar:
        yield bar.track(results, total=total)
