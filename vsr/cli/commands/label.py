"""`vsr label`: recordings with sound become transcribed clips."""

from __future__ import annotations

import argparse

from vsr.cli.options import positive

HELP = "transcribe the sound of recordings, for training"
ABOUT = """Transcribes every recording of manifests, folders or files with a Whisper and
writes a manifest of what was said, with word times: automatic labels for
training a lip reader. Recordings of more than --max-seconds are cut at pauses. Clips
without speech, in another language (--only), with repetitive text, or with low confidence
are left out and counted. A killed run continues where it stopped."""
FILES = """reads   recordings with sound; a Whisper in CTranslate2's format
writes  manifest.jsonl (kept clips), labels.jsonl (all, with words, confidence and language),
        counts.json"""
SEE = "vsr crop, vsr score"
EXAMPLE = """vsr label talks/ --whisper whisper-base --out data/labels --language en
vsr label talks/ --whisper whisper-base --out data/spanish --only es --confidence 0.7"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="manifests (.jsonl), folders or files")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the labels")
    parser.add_argument("--whisper", required=True, metavar="NAME", help="Whisper of CTranslate2: folder or org/name")
    parser.add_argument("--language", default="", metavar="CODE", help="spoken language (default: detected)")
    parser.add_argument("--only", default="", metavar="CODE", help="detect the language, and keep only this one")
    parser.add_argument(
        "--confidence", type=float, default=0.5, metavar="X", help="lowest mean confidence (default: 0.5)"
    )
    parser.add_argument(
        "--silence", type=float, default=0.6, metavar="X", help="highest probability of no speech (default: 0.6)"
    )
    parser.add_argument("--max-seconds", type=float, default=16.0, metavar="S", help="longest clip (default: 16)")
    parser.add_argument("--jobs", type=positive, metavar="N", help="processes (default: one for each core)")


def run(args: argparse.Namespace) -> int:
    """Label and print the counts; 1 where no clip is kept. Raises VsrError."""
    from vsr.cli.clip_list_messages import print_counts
    from vsr.core.errors import WRONG_USAGE, VsrError
    from vsr.corpora.labelling import LabelSettings, label_recordings
    from vsr.corpora.recogniser_labels import Rules
    from vsr.data.recordings import recordings
    from vsr.media.whisper import located_whisper

    try:
        rules = Rules(args.language, args.only, args.confidence, args.silence, args.max_seconds)
    except VsrError as error:  # what is wrong with options is wrong usage
        raise VsrError(WRONG_USAGE, str(error)) from error
    clips = recordings(args.inputs)
    counts = label_recordings(clips, args.out, LabelSettings(str(located_whisper(args.whisper)), rules), args.jobs)
    return print_counts(counts, "kept")
