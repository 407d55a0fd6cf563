"""`vsr calibrate`: a model learns to say how sure it is, and when it only guesses."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from vsr.core.machine import add_device_argument

HELP = "fit a model's word confidence and its detection of speech that it cannot read"
ABOUT = """Reads development videos, whose transcripts are known, and footage of other speech, in which
every word counts as wrong. Fits the probability that lips look like those the model was
trained on, and with it the confidence of each word, and stores both in the model.
Transcripts then give in_domain for each segment, and warn of guesses. The figures are for
people, and for clips of other speech, that were left out of the fit."""
FILES = """reads   manifests of videos, with transcripts and without; a model folder
writes  the model's config.json"""
SEE = "vsr decode, vsr transcribe"
EXAMPLE = """vsr calibrate --model exp/model --inside data/dev.jsonl --outside data/footage.jsonl
vsr calibrate --model exp/model --inside data/dev.jsonl data/puppet/dev.jsonl --outside data/footage.jsonl
vsr calibrate --model exp/held_out --also exp/all --inside data/speaker.jsonl --outside data/footage.jsonl"""

INSIDE, OUTSIDE = "inside", "outside"
KEPT = "what its reader of pixels knows by itself keeps the confidence that it has, and is left out here"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--model", required=True, metavar="DIR", help="model folder, whose config.json is changed")
    parser.add_argument(
        "--inside", nargs="+", required=True, metavar="JSONL", help="manifests of development videos with transcripts"
    )
    parser.add_argument("--outside", nargs="+", required=True, metavar="JSONL", help="manifests of other speech")
    parser.add_argument(
        "--also",
        metavar="DIR",
        help="another model that gets the same fit, because it was also trained on the lists inside",
    )
    add_device_argument(parser, "auto")


def run(args: argparse.Namespace) -> int:
    """Fit, store, and print the figures; clips that are refused are counted. Raises VsrError."""
    from vsr.cli.commands.decode import check_own_model
    from vsr.core.files import read_json, write_json
    from vsr.decoding.assess import KNOWN
    from vsr.inference.calibration_fit import fit_both
    from vsr.modelstore.folder import load_model

    check_own_model(args.model)
    if args.also:
        check_own_model(args.also)
        load_model(args.also)
    loaded = load_model(args.model, args.device)
    if KNOWN in loaded.config:
        print(f"vsr: {args.model}: {KEPT}", file=sys.stderr)
    domain, confidence, figures = fit_both(*_readings(loaded, args.inside, args.outside))
    kept = {"confidence": confidence | {"ece": figures["ece"]}, "domain": domain | {"figures": figures}}
    for folder in (args.model, args.also) if args.also else (args.model,):
        path = Path(folder) / "config.json"
        write_json(path, read_json(path) | kept)
    print("\n".join(_figure_lines(figures)))
    return 0


def _figure_lines(figures: dict) -> Iterator[str]:
    """The figures in lines, first of all and then of each person."""
    yield (
        "left out in turn: inside {inside} readings, {flagged_inside:.1%} flagged; outside {outside}, "
        "{flagged_outside:.1%} flagged, {believed_outside:.1%} of their words above 0.8; "
        "expected calibration error {ece:.3f}"
    ).format(**figures)
    for name, own in figures["people"].items():
        yield (
            "  {name}: {readings} readings, {flagged:.1%} flagged; {words} words, {right:.1%} right, "
            "{believed:.1%} above 0.8; expected calibration error {ece:.3f}"
        ).format(name=name or "nobody named", **own)


def _readings(loaded, inside: list[str], outside: list[str]) -> tuple[list, list]:
    """Every window of the clips of each side. Raises VsrError where there are too few, as early as that is known."""
    from vsr.data.manifest import read_manifests
    from vsr.inference.calibration import highest_window_count
    from vsr.inference.calibration_fit import FEWEST, check_enough

    lists = {INSIDE: inside, OUTSIDE: outside}
    clips = {side: read_manifests(paths) for side, paths in lists.items()}
    for side, own in clips.items():
        check_enough(highest_window_count(loaded, own, FEWEST), side, "at most ")
    read = {}
    for side in sorted(clips, key=lambda own: len(clips[own])):  # the shorter list first
        read[side] = _read(loaded, clips[side], side == INSIDE)
        check_enough(len(read[side]), side)
    return read[INSIDE], read[OUTSIDE]


def _read(loaded, clips: list, inside: bool) -> list:
    """Every window of the clips."""
    from vsr.core.errors import VsrError
    from vsr.core.progress import count_items
    from vsr.decoding.options import DecodeOptions
    from vsr.inference.calibration import assess_clip

    found: list = []
    for clip in count_items(iter(clips), "calibrate", len(clips)):
        try:
            found += assess_clip(loaded, clip, DecodeOptions(), inside)
        except VsrError as error:
            print(f"vsr calibrate: {error}: left out", file=sys.stderr)
    return found
