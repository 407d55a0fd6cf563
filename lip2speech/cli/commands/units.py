"""`lip2speech units`: fit a codebook of speech units to the sound of a corpus."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vsr.cli.options import positive

if TYPE_CHECKING:
    from vsr.data.manifest import Clip

HELP = "fit the codebook of speech units"
ABOUT = """Fits the codebook that turns speech into units, 50 a second: k-means classes of MFCCs, of
cepstra (scaled in each clip, without differences: less of the voice, more of the phone), or of
a layer of a HuBERT model. An existing codebook fitted to the same data is kept."""
FILES = """reads   manifests of cropped clips and the sound of their videos; recordings
writes  the codebook (safetensors)"""
SEE = "lip2speech features"
EXAMPLE = """lip2speech units --manifest data/crops/train/manifest.jsonl --out data/units.safetensors
lip2speech units --manifest data/train.jsonl --extractor hubert:hubert-base-ls960:6 --out u.safetensors
lip2speech units --sound data/one_en/train.jsonl data/one_es/train.jsonl --out data/units.safetensors"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", default=[], nargs="+", metavar="FILE", help="manifests of cropped clips")
    parser.add_argument("--sound", default=[], nargs="+", metavar="PATH", help="sound files, folders, manifests")
    extractors = "mfcc, cepstra or hubert:MODEL:LAYER (default: mfcc)"
    parser.add_argument("--extractor", default="mfcc", metavar="E", help=extractors)
    parser.add_argument("--size", type=positive, default=200, metavar="K", help="units (default: 200)")
    parser.add_argument("--clips", type=positive, default=400, metavar="N", help="clips drawn at random (default: 400)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw and of k-means (default: 0)")
    parser.add_argument("--out", required=True, metavar="FILE", help="safetensors file of the codebook")


def run(args: argparse.Namespace) -> int:
    """Fit and save. Raises VsrError."""
    from vsr.core.artifacts import Ledger, is_up_to_date
    from vsr.core.errors import VsrError
    from vsr.core.files import check_output
    from vsr.core.numbers import Range, check_number
    from vsr.media.units import CODEBOOK, Codebook, fit_codebook, open_extractor

    check_number("--seed", args.seed, Range(least=0, most=2**32 - 1), "bad_options")  # range of scikit-learn's seeds
    check_output(args.out, *args.manifest, kind=CODEBOOK)
    if not args.manifest and not args.sound:
        raise VsrError("bad_options", "give --manifest, --sound or both")
    extractor = open_extractor(args.extractor)
    clips = _sample_clips(args)
    inputs = _codebook_inputs(args, clips)
    if not is_up_to_date(args.out, inputs, Codebook.load):
        codebook = fit_codebook(extractor, _waves(clips), args.size, args.seed)
        codebook.save(args.out)
        Ledger(Path(args.out).parent).add(Path(args.out).name, inputs)
    print(f"{args.size} units of {extractor.name}: {args.out}")
    return 0


def _sample_clips(args: argparse.Namespace) -> list[Clip]:
    """The clips for the fit, drawn at random with --seed. Raises VsrError."""
    import random

    from lip2speech.features.audio_clips import sound_clips
    from vsr.data.manifest import need_crops, read_manifests

    clips = read_manifests(args.manifest)
    need_crops(clips)
    clips += sound_clips(args.sound) if args.sound else []
    random.Random(args.seed).shuffle(clips)
    return clips[: args.clips]


def _codebook_inputs(args: argparse.Namespace, clips) -> dict:
    """The inputs of the codebook for its fingerprint: sounds, extractor and options."""
    from vsr.core.artifacts import digest_of, identify
    from vsr.media.units import sources_of

    sounds = [[identify(clip.video), clip.start, clip.end, clip.num_frames] for clip in clips]
    return {"sounds": digest_of(sounds), "extractor": sources_of(args.extractor), "options": [args.size, args.seed]}


def _waves(clips):
    """The waves of the clips; a clip without sound gets a line on stderr and is skipped."""
    from vsr.core.errors import VsrError
    from vsr.data.sound import natural_wave

    for clip in clips:
        try:
            yield natural_wave(clip)
        except VsrError as error:
            print(f"lip2speech units: left out {clip.id}: {error}", file=sys.stderr)
