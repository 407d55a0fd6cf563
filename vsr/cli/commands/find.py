"""`vsr find`: where in footage a phrase is said."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from vsr.cli.options import add_faces_argument, add_model_argument, check_present, unused_of_crops
from vsr.core.errors import VsrError
from vsr.core.machine import add_device_argument, add_precision_argument
from vsr.core.renamed_settings import add_earlier_option

HELP = "find where in footage a phrase is said"
ABOUT = """Searches hours of video for a phrase without transcribing them: each place where it may be
said is printed with file, face, times and a score from 0 to 1, the phrase's likelihood
relative to the best reading of the same stretch. Words that look alike on the lips are
found for each other."""
FILES = """reads   video files; a model with a CTC head
writes  the screen: one row per place (file, start, end, face, score, phrase), or JSON Lines"""
FAILS = "a file could not be read; the others are searched all the same"
SEE = "vsr align, vsr transcribe"
EXAMPLE = """vsr find "m five" clip.mp4
vsr find "good morning" footage/*.mkv --model lrs3 --threshold 0.3
vsr find blue clip.mp4 --also red --also green --json"""


MISSED = "that nothing was found in it says little"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("phrase", metavar="PHRASE", help="one word or several")
    parser.add_argument("videos", nargs="+", metavar="VIDEO", help="video files")
    parser.add_argument("--also", action="append", default=[], metavar="PHRASE", help="another phrase; may be repeated")
    parser.add_argument("--threshold", type=float, default=0.5, metavar="SCORE", help="lowest shown (default: 0.5)")
    parser.add_argument("--json", action="store_true", help="one JSON object per place")
    add_model_argument(parser)
    parser.add_argument("--cropped", action="store_true", help="the videos are mouth crops: use them as they are")
    add_faces_argument(parser)
    parser.set_defaults(faces="all")
    add_device_argument(parser)
    add_precision_argument(parser)
    add_earlier_option(parser, "--least", "--threshold")


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    return unused_of_crops(args)


def run(args: argparse.Namespace) -> int:
    """0 if every file was searched, else 1. Raises VsrError for what no file could survive."""
    phrases = list(dict.fromkeys([args.phrase, *args.also]))
    if not 0 <= args.threshold <= 1:
        raise VsrError("bad_options", f"--threshold is {args.threshold}; it can be 0 to 1")
    if not all(phrase.strip() for phrase in phrases):
        raise VsrError("bad_options", "a phrase is empty: give one word or several")
    check_present(args.videos)
    from vsr.cli.each_video import for_each, tell_strange_words
    from vsr.inference.alignment import tokens_of
    from vsr.inference.face_report import SILENT
    from vsr.modelstore.folder import load_model

    loaded = load_model(args.model, args.device, args.precision)
    for phrase in phrases:
        tokens_of(loaded, phrase)
    tell_strange_words(loaded.folder, phrases)
    return for_each(args.videos, lambda video: _search(loaded, video, phrases, args), answers=SILENT)


def _search(loaded, video: str, phrases: list[str], args: argparse.Namespace) -> None:
    """Print the places of one video, each as it is found. Raises VsrError."""
    from vsr.cli.each_video import tell_face_report
    from vsr.decoding.guesses import FLAGGED, is_guess
    from vsr.inference.face_report import SILENT, FaceReport
    from vsr.inference.free_reading import UNLIKE
    from vsr.inference.spotting import find_phrases

    guessed, report, told = False, FaceReport(), False
    try:
        for hit in find_phrases(loaded, video, phrases, args.threshold, args.faces, args.cropped, report):
            guessed |= is_guess(hit.in_domain)
            _print(hit, args.json)
    except VsrError as error:
        told = error.reason in SILENT  # it says itself how the mouth was seen
        raise
    finally:
        tell_face_report(video, report, [] if told else None)
        if guessed or is_guess(report.in_domain):
            note = f"places with in_domain below {FLAGGED:g} (--json) are guesses" if guessed else MISSED
            print(f"vsr: {video}: {UNLIKE}: {note}", file=sys.stderr)


def _print(hit, as_json: bool) -> None:
    if as_json:
        print(json.dumps(asdict(hit), ensure_ascii=False), flush=True)
    else:
        print(f"{hit.file}\t{hit.start:.2f}\t{hit.end:.2f}\t{hit.face}\t{hit.score:.3f}\t{hit.phrase}", flush=True)
