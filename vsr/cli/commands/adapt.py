"""`vsr adapt`: a reader goes on with a few clips of one person, and reads that person better."""

from __future__ import annotations

import argparse
import sys

from vsr.cli.options import positive
from vsr.core.machine import add_device_argument
from vsr.core.numbers import NOT_NEGATIVE, SEED, check_number

KINDS = ("norms", "adapters", "all")  # of vsr.training.tuned_parts
LITTLE = 60  # seconds without text: egs/grid/vsr/ADAPTATION.md
HELP = "adapt a model to one person, from a few clips"
ABOUT = """Trains a reader further on 5 to 20 transcribed clips of one face, within minutes on a CPU.
First each clip is read by a model adapted to the others: the word error rate before and
after is printed, and if it rises no model is written (unless --anyway). The result is an
ordinary model folder whose card says what it was adapted on. With fewer than four
transcribed clips nothing can be measured, and a line says so.

With --untranscribed it also learns from clips of the person whose text nobody has written
down: it reads them, adapts to what it read, and reads them again (self-training). That
helps if most words are read right from the start; transcripts help more."""
FILES = """reads   a manifest; or a folder of videos, with NAME.txt beside NAME.mp4;
        for --untranscribed a manifest, a folder or a video; texts are not needed
writes  a model folder with its MODEL_CARD.md; crops are kept only while it works"""
FAILS = "a video could not be used (the model is of the others), or no model is written"
SEE = "vsr transcribe, vsr phrases, vsr train"
EXAMPLE = """vsr adapt clips/ -o models/anna
vsr adapt clips/ --model grid-tracks -o models/anna
vsr adapt anna.jsonl -o models/anna --what norms --folds 0
vsr adapt clips/ --untranscribed clips/ -o models/anna
vsr adapt --untranscribed clips/ -o models/anna
vsr transcribe clip.mp4 --model models/anna"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("clips", nargs="?", help="folder of videos and texts, or a manifest (JSON Lines)")
    parser.add_argument("-o", "--out", required=True, metavar="DIR", help="folder of the adapted model")
    parser.add_argument("--model", metavar="M", help="folder or name of the reader (default: the one that ships)")
    parser.add_argument(
        "--untranscribed", metavar="CLIPS", help="clips without text, to learn from what is read in them"
    )
    parser.add_argument(
        "--rounds", type=positive, metavar="N", help="how often --untranscribed clips are read (default: 2)"
    )
    parser.add_argument("--what", choices=KINDS, default="adapters", help="weights to train (default: adapters)")
    parser.add_argument(
        "--steps", type=positive, default=30, metavar="N", help="steps of each adaptation (default: 30)"
    )
    parser.add_argument(
        "--folds", type=int, default=3, metavar="N", help="folds of the validation; 0: none (default: 3)"
    )
    parser.add_argument("--anyway", action="store_true", help="write the model even if held-out clips are read worse")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of order, dropout and folds (default: 0)"
    )
    parser.add_argument("--jobs", type=positive, metavar="N", help="processes that cut out the mouths (default: 1)")
    add_device_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, adapt, write and name the folder; 1 where a video could not be used. Raises VsrError."""
    from vsr.modelstore.folder import load_model
    from vsr.training.adapting import AdaptationSettings, check_adaptable
    from vsr.training.personal import check_place
    from vsr.training.personal_clips import cropped_clips

    check_number("--folds", args.folds, NOT_NEGATIVE)
    check_number("--seed", args.seed, SEED)
    settings = AdaptationSettings(args.what, args.steps, args.seed)
    transcribed, further = _clips(args)
    loaded = load_model(args.model, args.device)
    check_adaptable(loaded)
    check_place(args.out, loaded)
    refused: list[str] = []
    with cropped_clips(loaded, transcribed, further, args.jobs, _say, refused) as found:
        _adapt(args, loaded, *found, settings)
    if refused:
        _say(f"{len(refused)} of {len(transcribed) + len(further)} videos left out, as said above: the others count")
    return int(bool(refused))


def _clips(args: argparse.Namespace) -> tuple[list, list]:
    """(transcribed, untranscribed) clips. Raises VsrError."""
    from vsr.core.errors import VsrError
    from vsr.data.speaker_clips import transcribed_clips, untranscribed_clips

    if not args.clips and not args.untranscribed:
        raise VsrError("bad_options", "give clips with their texts, or --untranscribed clips, or both")
    if args.rounds and not args.untranscribed:
        raise VsrError("bad_options", "--rounds are those of --untranscribed clips, of which there are none")
    transcribed = transcribed_clips(args.clips) if args.clips else []
    return transcribed, untranscribed_clips(args.untranscribed, transcribed) if args.untranscribed else []


def _adapt(args: argparse.Namespace, loaded, transcribed: list, untranscribed: list, settings) -> None:
    from vsr.core.clock import FPS
    from vsr.core.errors import VsrError
    from vsr.training.personal import adapt_to, save_adapted
    from vsr.training.self_training import Untranscribed, read_differently, readings

    if (seconds := sum(clip.num_frames for clip in untranscribed) / FPS) < LITTLE and untranscribed:
        _say(f"{seconds:.0f} s without text are little: of four people tried so, one was read better afterwards")
    unread = Untranscribed(tuple(untranscribed), args.rounds or 2)
    own, gain = adapt_to(loaded, transcribed, unread, settings, args.folds, _say)
    print(gain or f"{len(transcribed) + len(untranscribed)} clips: what adaptation gains was not measured", flush=True)
    if untranscribed:
        edits, words = read_differently(*(readings(model, untranscribed) for model in (loaded, own)))
        print(f"{len(untranscribed)} clips without text: {edits} of {words} words are read differently now", flush=True)
    if gain and gain.worse and not args.anyway:
        raise VsrError("no_gain", f"{args.out} is not written, as left-out clips are read worse: see --anyway")
    print(f"model: {save_adapted(args.out, own, loaded, transcribed, unread, settings, gain)}")


def _say(text: str) -> None:
    print(f"vsr adapt: {text}", file=sys.stderr)
