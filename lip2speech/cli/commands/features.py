"""`lip2speech features`: the sound of cropped clips becomes waves, mels, units and speaker vectors."""

from __future__ import annotations

import argparse

from vsr.cli.options import positive

HELP = "compute waveforms, mel spectrograms, units and speaker vectors of a corpus"
ABOUT = """Computes the training data of the acoustic model and the vocoder: waveform, log-mel, units
and speaker vector, all on the video's clock. Features that an earlier run made from the
same video, part, codebook and offset are kept; the command prints how many, and why others
are remade. For recordings without faces (--sound) it also writes the list; a voice can be
trained on their units before it is trained on lips."""
FILES = """reads   manifests of cropped clips and the sound of their videos; the codebook; offsets
writes  ID.safetensors for each clip; sound.jsonl, the recordings of --sound; refused.json,
        the reason of each clip that has none"""
SEE = "lip2speech units, lip2speech sync, lip2speech train, lip2speech vocoder"
EXAMPLE = """lip2speech features --manifest data/crops/*/manifest.jsonl --units data/units.safetensors --out features
lip2speech features --sound LibriSpeech --units data/units.safetensors --out sound"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", nargs="+", default=[], metavar="FILE", help="manifests of cropped clips")
    parser.add_argument("--sound", nargs="+", default=[], metavar="PATH", help="sound files, folders, manifests")
    parser.add_argument("--units", required=True, metavar="FILE", help="codebook of lip2speech units")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for one file per clip")
    parser.add_argument("--offsets", metavar="FILE", help="offsets of lip2speech sync, by which the sound is shifted")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Extract and print the counts of clips by outcome. Raises VsrError."""
    from lip2speech.av_sync.offsets import read_offsets
    from lip2speech.features.audio_clips import MANIFEST, sound_clips
    from lip2speech.features.corpus import extract_corpus
    from lip2speech.features.stored import REFUSED
    from vsr.cli.clip_list_messages import print_counts
    from vsr.core.errors import VsrError
    from vsr.core.files import check_folder
    from vsr.data.manifest import need_crops, read_manifests, write_manifest
    from vsr.data.own_list import check_list

    offsets = read_offsets(args.offsets) if args.offsets else {}
    if not args.manifest and not args.sound:
        raise VsrError("bad_options", "give --manifest, --sound or both")
    clips = read_manifests(args.manifest)
    need_crops(clips)
    recordings = sound_clips(args.sound) if args.sound else []
    clips += recordings
    check_folder(args.out, [REFUSED, *(f"{clip.id}.safetensors" for clip in clips)], args.units, args.offsets or "")
    if recordings:
        check_list(f"{args.out}/{MANIFEST}", recordings)
        write_manifest(f"{args.out}/{MANIFEST}", recordings)
    counts = extract_corpus(clips, args.units, args.out, args.jobs, offsets)
    return print_counts(counts, "made", "kept")
