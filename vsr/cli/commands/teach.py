"""`vsr teach`: what a model that hears makes of a corpus, as targets for a reader of lips."""

from __future__ import annotations

import argparse

from vsr.cli.options import positive

HELP = "store the outputs of an audio teacher for a corpus, for distillation"
ABOUT = """Runs a frozen teacher over the sound of every clip of manifests from vsr waves, and stores
its outputs: its states on the video's clock and, for a reader of this toolkit, the
probabilities of CTC and of the decoder, the decoder's context vector for each token, and
which tokens it recognises correctly. The heads frame_distillation, sequence_distillation,
context_distillation and posterior_distillation learn from them. The teacher is an
audio-visual or acoustic reader (grid-av, or a folder), a wav2vec 2.0, HuBERT or Whisper in
the format of the transformers library, or a Whisper in CTranslate2 format. Targets that an
earlier run made with the same teacher from the same sound are kept. --codebook fits
centroids (k-means) to the states of these clips, for the encoder "memory": then give the
training list alone."""
FILES = """reads   manifests that vsr waves wrote; the teacher
writes  ID.safetensors of each clip; codebook.safetensors with --codebook"""
SEE = "vsr waves, vsr train, vsr encode"
EXAMPLE = """vsr teach --manifest data/sound/train/manifest.jsonl --teacher grid-av --out data/teacher
vsr teach --manifest data/sound/train/manifest.jsonl --teacher whisper-base --out data/whisper"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--manifest", required=True, nargs="+", metavar="JSONL", help="manifests that vsr waves wrote")
    parser.add_argument("--teacher", required=True, metavar="MODEL", help="name of vsr models, or folder")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the targets")
    parser.add_argument("--codebook", type=positive, metavar="K", help="also write K centroids of the states")
    parser.add_argument(
        "--layer", type=int, default=-1, metavar="N", help="layer of a foundation model (default: the last)"
    )


def run(args: argparse.Namespace) -> None:
    """Write the targets and say how many there are. Raises VsrError."""
    from vsr.training.teacher import open_teacher
    from vsr.training.teaching import teach, write_centroids

    counts = teach(args.manifest, open_teacher(args.teacher, args.layer), args.out)
    if args.codebook:
        print(write_centroids(args.manifest, args.out, args.codebook))
    print(", ".join(f"{number} {what}" for what, number in sorted(counts.items()) if number) or "nothing to do")
