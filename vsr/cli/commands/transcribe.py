"""`vsr transcribe`: video files -> text, subtitles or JSON, on the screen or in a folder."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from vsr.cli.options import add_engine_arguments, add_faces_argument, add_model_argument, check_present
from vsr.cli.search_options import add_search_arguments, unused_in_search
from vsr.cli.transcribe_plan import options_given, report_line, videos_to_read
from vsr.core.errors import WRONG_USAGE, VsrError
from vsr.core.machine import add_device_argument, add_precision_argument, find_device
from vsr.core.one_output import outputs_of
from vsr.core.progress import progress_bars
from vsr.data.modalities import MODALITIES
from vsr.decoding.head_names import check_head_name
from vsr.inference.executors import open_engine
from vsr.output.subtitles import WRITERS
from vsr.output.transcript import Transcript
from vsr.output.unsure_words import EVERYTHING, MODES, readable, unreadable_share
from vsr.output.writing import Outputs

HELP = "read the lips in video files"
ABOUT = """Reads the lips of the largest face that speaks, or of all, in each video, of any frame rate
and length. The text goes to the screen; with -o each file gets its text, subtitles or JSON,
with word times and confidence. A file that cannot be read costs one line that says why; the
others are still read. Files that vsr did not write, and the transcript of another video,
are only replaced with --force."""
FILES = """reads   video files of any kind that FFmpeg's libraries know; a model
writes  with -o: DIR/NAME.FORMAT for each video and format, whole or not at all"""
FAILS = "a file could not be read or written; the others are done all the same"
SEE = "vsr inspect, vsr import, lip2speech speak"
EXAMPLE = """vsr transcribe clip.mp4
vsr transcribe *.mpg --format srt,json -o out/
vsr transcribe clip.mp4 --burn captioned.mp4
vsr transcribe clip.mp4 --model grid-av --modality both
vsr transcribe clip.mp4 --model exp/translate/model --head es
vsr transcribe video.mkv --faces all --format srt,json -o out/ --resume
vsr transcribe videos/*.mp4 --format json -o out/ --engine ray --address head:6379"""

BEFORE = "; what was read of it is kept"
SEVERAL_ON_SCREEN = ("txt", "json")  # formats that stay readable one file after another


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="video files")
    output = parser.add_argument_group("output")
    _add_formats(output)
    _add_reading(parser.add_argument_group("reading"))
    _add_replacing(output)
    add_engine_arguments(parser)
    add_search_arguments(parser)


def _add_formats(output) -> None:
    """What is written, and where."""
    output.add_argument("-o", "--out", metavar="DIR", help="write DIR/NAME.FORMAT for each file instead of printing")
    output.add_argument(
        "--format", type=_formats, default=("txt",), metavar="F[,F]", dest="formats",
        help=f"one or more of {','.join(WRITERS)} (default: txt)",
    )  # fmt: skip
    output.add_argument("--burn", metavar="FILE", help="also write the video with its captions on it (.mp4, .mkv)")


def _add_reading(reading) -> None:
    """Which model reads which faces, and by what."""
    add_model_argument(reading)
    add_faces_argument(reading)
    reading.add_argument("--cropped", action="store_true", help="the videos are mouth crops: use them as they are")
    reading.add_argument(
        "--modality", default="", choices=tuple(MODALITIES), metavar="M",
        help="for audio-visual models such as grid-av: video, sound or both (default: all that the model reads)",
    )  # fmt: skip
    said = "write the output of one head alone, such as a translation, instead of the usual search"
    reading.add_argument("--head", metavar="NAME", help=said)
    add_device_argument(reading)
    add_precision_argument(reading)


def _add_replacing(output) -> None:
    """What becomes of earlier outputs, and of words that are unsure."""
    output.add_argument(
        "--resume", action="store_true",
        help="continue where a killed run with the same -o stopped; keep what is finished of the same video, options",
    )  # fmt: skip
    output.add_argument(
        "--unsure", choices=MODES,
        help="words of low confidence: mark them [...], drop or keep them (default: mark in text and "
        "subtitles of speech that is unlike what the model was trained on); JSON and TSV keep all",
    )  # fmt: skip
    output.add_argument(
        "--force", action="store_true", help="replace what is there, whoever wrote it and of whatever video it is"
    )


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    found = unused_in_search(args) | ({"force": "-o DIR"} if args.out is None else {})
    unsure = {} if args.burn or set(args.formats) - set(EVERYTHING) else {"unsure": "formats for people and --burn"}
    return found | unsure


def run(args: argparse.Namespace) -> int:
    """0 if every file was read and written, 1 if any failed. Raises VsrError, bad_options for wrong usage."""
    if problem := _wrong_usage(args):
        raise VsrError(WRONG_USAGE, problem)
    if args.out is not None:
        outputs_of(args.videos, lambda video: Path(video).stem, args.out)
    search = tuple(options_given(args).items())
    _check_burn(args)
    check_head_name(args.model, args.head)
    if args.out is None and args.formats != ("json",):  # JSON says it of each file
        check_present(args.videos)
    outputs = None if args.out is None else Outputs(args.out, args.formats, args.unsure)
    videos, refused = videos_to_read(args, outputs) if outputs else (args.videos, 0)
    if not videos:
        return 1 if refused else 0
    here = args.engine == "local"
    if here and not any(os.access(video, os.R_OK) for video in videos):  # no model is loaded for them
        return _all_absent(videos, args, outputs)
    engine = open_engine(args.engine, args.jobs, args.address)
    settings = _settings(args, search, outputs, here)
    with progress_bars(lambda watch: engine.transcribe(videos, settings, watch), len(videos)) as transcripts:
        failures = [_deliver(transcript, args, outputs) for transcript in transcripts].count(False)
    return 1 if failures or refused else 0


def _all_absent(videos: list[str], args: argparse.Namespace, outputs: Outputs | None) -> int:
    """Say of each file that it is not there; returns the exit status."""
    from vsr.inference.bulk import absent

    for video in videos:
        _deliver(absent(video), args, outputs)
    return 1


def _settings(args: argparse.Namespace, search: tuple, outputs: Outputs | None, here: bool):
    """What every file is read with, a `vsr.inference.bulk.Settings`. Raises VsrError of the device."""
    from vsr.inference.bulk import Settings

    # On a cluster only this process writes: other machines may see other disks.
    return Settings(
        args.model, search, args.faces, outputs=outputs if here else None, resume=args.resume and here,
        device=_device(args, here), cropped=args.cropped, precision=args.precision, modality=args.modality,
    )  # fmt: skip


def _check_burn(args: argparse.Namespace) -> None:
    """Raises VsrError, before the work."""
    if args.burn:
        from vsr.core.files import check_output
        from vsr.output.burning import CAPTIONED, check_burn

        check_burn(args.burn)
        check_output(args.burn, *args.videos, kind=CAPTIONED)


def _device(args: argparse.Namespace, here: bool) -> str:
    """Where the model runs, tried before the work. Raises VsrError."""
    if args.device == "cpu":  # PyTorch, which takes a second to import, need not be asked
        return args.device
    if not here:
        raise VsrError("bad_options", "--device is this machine's: the workers of a Ray cluster read on their cores")
    return find_device(args.device)


def _formats(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in WRITERS:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(WRITERS)}")
    return names


def _wrong_usage(args: argparse.Namespace) -> str | None:
    """What is wrong with the arguments taken together, if anything."""
    if args.cropped and args.faces != "largest":
        return "--cropped videos show one mouth: leave --faces out"
    if args.burn and len(args.videos) > 1:
        return "--burn is for one video: read each with a --burn of its own"
    if args.out is None:
        if args.resume:
            return "--resume needs the folder of the run that stopped: add -o DIR"
        if len(args.formats) > 1:
            return "several formats need a folder: add -o DIR"
        if len(args.videos) > 1 and args.formats[0] not in SEVERAL_ON_SCREEN:
            return f"{args.formats[0]} of several files needs a folder: add -o DIR"
        return None
    if Path(args.out).suffix[1:] in WRITERS and not Path(args.out).is_dir():
        return f"-o names a folder, {args.out} looks like a file: add --format {Path(args.out).suffix[1:]}"
    return None


def _deliver(transcript: Transcript, args: argparse.Namespace, outputs: Outputs | None) -> bool:
    """Print or write one result and report its error; True if all went well."""
    _tell_stream(transcript, outputs is not None)
    try:
        if outputs is None:
            shown = readable(transcript, args.formats[0], args.unsure)
            _print(shown, args.formats[0], several=len(args.videos) > 1)
        else:
            outputs.write(transcript)
        if args.burn and transcript.error is None:
            from vsr.output.burning import burn

            burn(args.videos[0], transcript, args.burn, args.unsure)
    except VsrError as error:
        return report_line(transcript.file, str(error))
    if transcript.error is not None:
        return report_line(transcript.file, transcript.error[1] + (BEFORE if transcript.text else ""))
    _tell_unsure(transcript, args.unsure)
    return True


def _tell_unsure(transcript: Transcript, mode: str | None) -> None:
    """What must be known before the words are believed, in a line."""
    for warning in transcript.warnings:
        report_line(transcript.file, warning["message"])
    if mode in ("mark", "drop") and (share := unreadable_share(transcript)):
        report_line(transcript.file, f"{share:.0%} of the time of its words is not to be believed ({mode})")


def _tell_stream(transcript: Transcript, written: bool) -> None:
    """Which video of a file with several was read, where the text itself is not what is looked at."""
    from vsr.media.streams import report_stream_choice

    if written or sys.stderr.isatty():
        report_stream_choice("vsr", transcript.file, (transcript.provenance or {}).get("video", {}).get("stream"))


def _print(transcript: Transcript, name: str, several: bool) -> None:
    if transcript.error is not None and not transcript.segments and name != "json":
        return
    text = WRITERS[name](transcript)
    if several and name == "txt":
        text = "".join(f"{transcript.file}: {line}\n" for line in text.splitlines())
    sys.stdout.write(text)
    sys.stdout.flush()
