"""`vsr phrases`: which phrase of a closed list is said."""

from __future__ import annotations

import argparse
import json
import sys

from vsr.cli.enrolled_phrases import FORMS, LONGEST, ROWS, add_enrolled_arguments, clips_or_recordings, run_enrolled
from vsr.cli.options import add_faces_argument, add_model_argument, check_present, unused_of_crops
from vsr.core.machine import add_device_argument, add_precision_argument
from vsr.core.renamed_settings import add_earlier_option

HELP = "choose which phrase of a list is said in a clip"
ABOUT = """Chooses from a list of phrases, as aids for people who cannot speak do: the reader scores
every phrase, and the three best are printed, preceded by "none of these" if something else
was said. A short list of phrases that look different is far more reliable than free
reading. The fit is 1 for the phrase that would be read without a list, near 0 for one that
would not. A number in place of a clip is a camera, which is filmed for a few seconds.

Your own phrases, in any language, are enrolled with one to three clips each (enrol NAME
CLIP...), and then recognised by lip motion (own CLIP...). `enrolled` lists them, `remove
NAME` deletes one. They are stored in a folder; the clips themselves are not."""
FILES = """reads   a list, one phrase per line (# begins a comment); videos, each with one phrase;
        a model
writes  the screen: one row per phrase (file, place, fit, phrase), or one JSON object per
        file; enrol: DIR/PHRASE.safetensors"""
FAILS = "a file could not be read; the others are read all the same"
SEE = "vsr find, vsr transcribe"
EXAMPLE = """vsr phrases list.txt clip.mp4
vsr phrases list.txt *.mp4 --json --nbest 5 --threshold 0.2
vsr phrases list.txt clip.mp4 --model lrs3
vsr phrases enrol "I am thirsty" thirsty1.mp4 thirsty2.mp4
vsr phrases remove "I am thirsty"
vsr phrases own clip.mp4 --speak said.wav"""

LEAST = 0.7  # fit below which it is none of a list

WHERE = dict.fromkeys(("nbest", "threshold", "json"), "LIST and own")
WHERE |= dict.fromkeys(("model", "cropped", "faces", "device", "precision"), "LIST, enrol and own")
WHERE |= {"seconds": "the number of a camera"}
WHERE |= {"speak": "own", "folder": "enrol, own, enrolled and remove", "voice": "own with --speak"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("list", metavar="LIST", help="file with the phrases; or enrol, own, enrolled, remove")
    parser.add_argument("videos", nargs="*", metavar="VIDEO", help="video files, or the number of a camera")
    parser.add_argument("--nbest", type=int, metavar="N", help="phrases to print (default: 3; with --json all)")
    parser.add_argument("--threshold", type=float, metavar="FIT", help="below it: none (0.7; own: by the examples)")
    parser.add_argument("--json", action="store_true", help="one JSON object per file")
    add_model_argument(parser)
    parser.add_argument("--cropped", action="store_true", help="the videos are mouth crops: use them as they are")
    add_enrolled_arguments(parser)
    add_faces_argument(parser)
    add_device_argument(parser)
    add_precision_argument(parser)
    add_earlier_option(parser, "--least", "--threshold")
    add_earlier_option(parser, "--best", "--nbest")


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    form = args.list if args.list in FORMS else ""
    chooses, looks = form in ("", "own"), form not in ("enrolled", "remove")
    filmed = any(video.isdigit() for video in args.videos[form == "enrol" :])
    heeded = dict.fromkeys(("model", "cropped", "faces", "device", "precision"), looks) | {
        "seconds": looks and filmed,
        "nbest": chooses, "threshold": chooses, "json": chooses, "speak": form == "own", "folder": bool(form),
        "voice": form == "own" and args.speak,
    }  # fmt: skip
    return unused_of_crops(args) | {name: WHERE[name] for name, works in heeded.items() if not works}


def run(args: argparse.Namespace) -> int:
    """0 if every file was read, else 1. Raises VsrError for what no file could survive."""
    _check(args)
    return run_enrolled(args) if args.list in FORMS else _choose_from_list(args)


def _choose_from_list(args: argparse.Namespace) -> int:
    """Say which phrase of the list each video shows; returns the exit status. Raises VsrError."""
    from vsr.core.errors import VsrError

    if not args.videos or args.speak:
        raise VsrError("bad_options", "give a list and clips: vsr phrases LIST VIDEO [VIDEO ...]; --speak is for own")
    if not any(video.isdigit() for video in args.videos):  # a camera
        check_present(args.videos)
    from vsr.cli.each_video import for_each, tell_face_report, tell_strange_words
    from vsr.inference.face_report import FaceReport
    from vsr.inference.phrases import choose, phrase_tokens, read_phrases
    from vsr.modelstore.folder import load_model

    phrases, args.threshold = read_phrases(args.list), LEAST if args.threshold is None else args.threshold
    loaded = load_model(args.model, args.device, args.precision)
    phrase_tokens(loaded, phrases)
    tell_strange_words(loaded.folder, phrases)

    def read(video: str) -> None:
        report = FaceReport()
        with clips_or_recordings([video], args.seconds) as (file,):
            choices = choose(loaded, file, phrases, args.faces, args.cropped, report)
        _print(video, choices, args, report.warnings)
        tell_face_report(video, report)

    return for_each(args.videos, read)


def _check(args: argparse.Namespace) -> None:
    """Raises VsrError bad_options for what neither a list nor phrases of one's own can do."""
    from vsr.core.errors import VsrError

    if (args.nbest is not None and args.nbest < 1) or not 0 <= (args.threshold or 0) <= 1:
        raise VsrError("bad_options", "--nbest is a number from 1, --threshold from 0 to 1")
    if args.faces not in ("largest", 1):
        raise VsrError("bad_options", "a phrase is what one face says: --faces is largest or 1")
    if not 0 < args.seconds <= LONGEST:
        raise VsrError("bad_options", f"--seconds is above 0 and at most {LONGEST}")


def _print(video: str, choices: list, args: argparse.Namespace, warnings: list[dict]) -> None:
    """The phrases of a video that come first, or its JSON with ``warnings``."""
    from vsr.decoding.guesses import is_guess
    from vsr.inference.free_reading import UNLIKE

    chance = choices[0].in_domain
    guessed = is_guess(chance)
    none = guessed or choices[0].fit < args.threshold
    if guessed:
        print(f"vsr: {video}: {UNLIKE}: none of the phrases is believed", file=sys.stderr)
    if long := [choice.phrase for choice in choices if choice.score == float("-inf")]:
        print(f"vsr: {video}: too short for: {', '.join(long)}", file=sys.stderr)
    if args.json:
        shown = choices[: args.nbest]
        listed = [{"phrase": own.phrase, "score": max(own.score, -1e9), "fit": own.fit} for own in shown]
        record = {"file": video, "phrase": None if none else choices[0].phrase, "in_domain": chance, "phrases": listed}
        print(json.dumps(record | {"warnings": warnings}, ensure_ascii=False), flush=True)
        return
    rows = [(0, 1 - (chance if guessed else choices[0].fit), "(none of these)")] if none else []
    rows += [(place, choice.fit, choice.phrase) for place, choice in enumerate(choices[: args.nbest or ROWS], start=1)]
    for place, fit, phrase in rows:
        print(f"{video}\t{place}\t{fit:.3f}\t{phrase}", flush=True)
