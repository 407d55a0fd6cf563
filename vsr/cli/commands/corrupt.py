"""`vsr corrupt`: a list of recordings becomes a distorted set that stays."""

from __future__ import annotations

import argparse
from typing import Any

from vsr.cli.distortion_options import add_distortion_arguments, distortion_of
from vsr.cli.options import positive

HELP = "make a distorted set of recordings: noise, echo, covered mouths, ..."
ABOUT = """Rewrites every clip of manifests, folders or files with its sound, its frames or both
distorted: noise at a signal-to-noise ratio, reverberation, limited bandwidth; occlusion of
a share of the mouth, blur, low resolution, dropped frames. If several values are given,
separated by commas, one is drawn for each clip; --settings has more kinds, and
probabilities. --seed and the id of a clip determine the draw, so that two machines make the
same set. A killed run is continued; nothing is ever replaced."""
FILES = """reads   manifests (.jsonl), folders or files; NAME.txt beside NAME.mp4 is its text
writes  ID.mkv (25 frames a second, H.264 4:4:4, FLAC), ID.wav of sound alone, ID.npy
        of crops; manifest.jsonl, corruption.json (what was done to each clip), refused.json"""
SEE = "vsr crop, vsr transcribe, vsr train"
EXAMPLE = """vsr corrupt data/test.jsonl --out data/test_babble0 --snr 0 --noise babble
vsr corrupt data/test.jsonl --out data/test_noisy --snr=-5,0,5 --noise white,pink
vsr corrupt data/test.jsonl --out data/test_room --reverb 0.6 --bandwidth 3400
vsr corrupt clips/ --out covered/ --occlude 0.5 --cover hand
vsr corrupt data/crops/manifest.jsonl --crops --out data/crops_half --occlude 0.5
vsr corrupt data/test.jsonl --out data/test_bad --settings corruption.yaml"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="manifests, folders or files")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the set")
    parser.add_argument("--settings", metavar="YAML", help="sound and video, as data.corruption of vsr train")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices (default: 0)")
    parser.add_argument("--crops", action="store_true", help="distort the mouth crops of manifests, not the videos")
    parser.add_argument("--lossless", action="store_true", help="store frames bit for bit (five times the size)")
    parser.add_argument("--jobs", type=positive, metavar="N", help="processes (default: one for each core)")
    parser.add_argument(
        "--babble-from", metavar="JSONL", help="manifest of the babble's voices (default: other clips of the list)"
    )
    add_distortion_arguments(parser)


def unused(args: argparse.Namespace) -> dict[str, str]:
    """Options that this call does not heed -> where they work."""
    babble = args.settings or args.snr and "babble" in (args.noise or "babble").split(",")
    where = {} if babble else {"babble_from": "--snr and --noise babble, or --settings"}
    return where | ({"lossless": "videos, not --crops"} if args.crops else {})


def run(args: argparse.Namespace) -> int:
    """Make the set and print the counts. Raises VsrError."""
    from vsr.cli.clip_list_messages import print_counts
    from vsr.core.numbers import SEED, check_number
    from vsr.data.corrupting import Order, corrupt_corpus
    from vsr.data.manifest import read_manifest
    from vsr.data.recordings import recordings

    check_number("--seed", args.seed, SEED)
    order = Order(_settings(args), args.seed, args.crops, args.lossless)
    _check_noise_files(order.settings.sound)
    voices = read_manifest(args.babble_from) if args.babble_from else ()
    counts = corrupt_corpus(recordings(args.inputs), args.out, order, args.jobs, voices)
    return print_counts(counts, "corrupted", "kept")


def _settings(args: argparse.Namespace) -> Any:
    """The corruption that YAML or the options ask for. Raises VsrError bad_options."""
    from vsr.core.errors import VsrError
    from vsr.data.corruption import Corruption
    from vsr.training.config import load_config
    from vsr.training.typed_yaml import build

    sections = distortion_of(args)
    if not args.settings:
        try:
            return build(Corruption, sections, "corruption")
        except VsrError as error:  # what is wrong with options is wrong usage
            raise VsrError("bad_options", str(error)) from error
    if any(sections.values()):
        raise VsrError("bad_options", "give either --settings or the options of sound and video")
    try:
        return load_config(args.settings, kind=Corruption)
    except VsrError as error:
        told = str(error)
        raise VsrError(error.reason, told if args.settings in told else f"{args.settings}: {told}") from error


def _check_noise_files(sound: Any) -> None:
    """Raises VsrError unreadable or no_sound for a noise file that cannot be heard, before any work."""
    from vsr.media.audio import read_wave
    from vsr.media.mixing import KINDS

    for kind in sound.noise.kinds if sound.noise.p else ():
        if kind not in KINDS:
            read_wave(kind)
